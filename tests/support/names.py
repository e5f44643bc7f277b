"""Two hundred recipients, and topics, that somebody could take for one another: whoever compares, sorts, encodes, cuts,
matches or quotes a name a little differently from the rest of the service mixes up two of them.
"""

import hashlib
from typing import Final

_LONG: Final = "a" * 200


def _key_of(name: str) -> str:
    """As it would stand in a routing key, if it were too long for one."""
    return "~" + hashlib.sha256(name.encode()).hexdigest()


_CASE: Final = ("alice", "Alice", "ALICE", "aLICE", " alice", "alice ", "alice  ", "\talice", "alice\t", "\uff41lice")
_PREFIXES: Final = ("a", "al", "ali", "alic", "alice0", "alice1", "alice10", "alicebob", "alice-", "alice:", "bob")
_NORMAL_FORMS: Final = (
    *("\u00e1lice", "a\u0301lice", "\u00c5", "\u212b", "A\u030a", "\u03a9", "\u2126", "\ufb03", "ffi", "\u00b2", "2"),
    *("\uff76", "\u30ab", "\uac00", "\u1100\u1161", "\u0301", "\u1e9b\u0323", "\u1e69", "s\u0323\u0307"),
)
_CASE_FOLDING: Final = (
    *("\u00df", "ss", "SS", "\u1e9e", "\u0130", "i", "I", "\u0131", "i\u0307", "K", "k", "\u212a", "\u017f", "s"),
    *("\u03c3", "\u03c2", "\u03a3"),
)
_LOOK_ALIKE: Final = (
    *("\u0430lice", "\u0391lice", "al\u0456ce", "a\u200blice", "a\u200clice", "a\u200dlice", "a\u2060lice"),
    *("\ufeffalice", "a\u00adlice", "\u202ealice", "\u2066alice", "\u2603", "\u2603\ufe0f", "\U0001f600"),
    *("\U0001f469\u200d\U0001f467", "\U0001f469\U0001f467", "1", "01", "\u0661", "\uff11"),
)
_CONTROLS: Final = (
    *("\x00", "alice\x00", "\x00alice", "alice\x00bob", "\x01", "\x1b[31malice", "\x7f", "\x80", "\x85", "\n", "\r"),
    *("\r\n", "alice\n", "alice\nbob", "alice\r\nid: 1.1", "alice\n\ndata: {}", "\x0b", "\x0c", "\u2028", "\u2029"),
    *(" ", "\u00a0", "\u3000"),
)
_PATHS: Final = (
    *(
        ".",
        "..",
        "...",
        "a.b",
        "alice.",
        ".alice",
        "alice.bob",
        "alice..bob",
        "./alice",
        "../alice",
        "alice/",
        "/alice",
    ),
    *("/", "//", "alice/.", "alice/..", "alice/bob", "alice//bob", "alice/connections", "alice%2Fconnections"),
    *("alice\\bob", "../../etc/passwd"),
)
_PERCENT: Final = ("%", "%%", "%25", "%2E", "%2e", "a%2Eb", "a%2eb", "%61lice", "%00", "%0A", "a%20b", "a+b", "a b")
_AMQP: Final = (
    *("#", "*", "#.#", "*.*", "alice.#", "alice.*", "recipient.#", "recipient.*", "recipient.alice"),
    *("recipient.alice.new_message", "topic.all.new_message", "log", "~", _key_of(_LONG), _key_of("é" * 100)),
)
_SQL: Final = (
    *("alice%", "alic_", "_", "%alice%", "'", "''", "'; DROP TABLE log; --", '"', '"alice"', "\\", "\\'", "`alice`"),
    *("$1", "$$", ":channel", "?", "[a-z]*", "[!b]lice", "\\x616c696365", "NULL", "--", "/*"),
)
_WORDS: Final = (
    *("null", "None", "true", "0", "0.0", "-1", "NaN", "{}", "[]", "${jndi:x}", "{{7*7}}", "__proto__", "constructor"),
    *("<b>alice</b>", "a,b", "a;b", "a&b=c", "@", "//alice@bob", "!read", "!recalled"),
)
_CHANNELS: Final = ("all", "topic:all", "topic:news", "topic:alice", "recipient:alice", "recipient:", "recipient", ":")
_LENGTHS: Final = (_LONG, "a" * 199, "a" * 199 + "b", "a" * 151, "a" * 150, "é" * 100, "é" * 99, "." * 50, "." * 51)

RECIPIENTS: Final = (
    *(_CASE + _PREFIXES + _NORMAL_FORMS + _CASE_FOLDING + _LOOK_ALIKE + _CONTROLS + _PATHS + _PERCENT + _AMQP),
    *(_SQL + _WORDS + _CHANNELS + _LENGTHS),
)
TOPICS: Final = (
    *(
        "alice",
        "Alice",
        "ALICE",
        "a",
        "al",
        "alice.",
        ".alice",
        "alice.bob",
        "a.b",
        "A.b",
        "a..b",
        ".",
        "..",
        "-",
        "--",
    ),
    *("_", "__", "a_b", "a-b", "news", "new", "news.", "news.all", "All", "ALL", "all.", "all.all", "recipient"),
    *("recipient.alice", "topic", "topic.all", "log", "0", "00", "-1", "null", "__proto__", "x" * 100, "x" * 99),
)
"""As the contract allows them; `all` is everybody's."""
