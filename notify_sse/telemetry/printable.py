"""Text from outside, made safe to show: it can neither drive a terminal nor forge a second line (CWE-117)."""


def printable(text: str) -> str:
    r"""`text` in one line, each character that is not for print as its escape: `\n`, `\x1b`, `\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
