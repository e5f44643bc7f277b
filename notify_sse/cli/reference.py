"""docs/reference/commands.md, made from the commands' own help: `python -m notify_sse.cli.reference`."""

import click

from notify_sse.cli import COMMANDS, program

HEAD = """\
# Commands

<!-- Made by `python -m notify_sse.cli.reference`. A test compares it with the code. -->

`notify-sse COMMAND --help` shows the same. `python -m notify_sse` is the same program.

Data goes to stdout, everything else to stderr: logs, progress, what went wrong. With `--json` each line of stdout is
one JSON document. Settings are read from the environment ([settings](settings.md)); an option wins over its
variable.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | not done: something cannot be reached or refused it, or `doctor` found an error. One line on stderr says what |
| 2 | called wrongly. The last line on stderr names it |
| 78 | a setting is wrong, or the database's schema is not that of this version: no waiting helps. One line on stderr, \
or an ERROR of `serve`, names it. (For systemd: `RestartPreventExitStatus=78`.) |
| 130 | interrupted (Ctrl-C) |

When whoever reads stdout closes it (`notify-sse history alice | head -1`), the command ends quietly with 0; `publish`
goes on, and prints no more ids. `tail` notices with the next notification: `--count 1` ends it after the first.

| command | what it does |
|---|---|
"""


def markdown() -> str:
    """The whole page."""
    rows = [f"| [`{name}`](#notify-sse-{name}) | {summary} |" for name, (_, summary) in COMMANDS.items()]
    # With the settings of `program`, as when it is called: a command keeps the help option of its first call.
    with click.Context(program, info_name="notify-sse", **program.context_settings) as context:
        context.terminal_width = context.max_content_width = 100
        sections = [section for name in COMMANDS for section in _sections(context, name, program)]
    return HEAD + "\n".join([*rows, "", *sections])


def _sections(parent: click.Context, path: str, group: click.Command) -> list[str]:
    """The command of `group` that is called by `path` (`dlq list`), then those below it."""
    assert isinstance(group, click.Group)
    command = group.get_command(parent, path.rpartition(" ")[2])
    assert command is not None
    # All have one parent: that of a command below another would show the other's arguments in its path.
    with command.make_context(path, [], parent=parent, resilient_parsing=True) as context:
        context.terminal_width = 100
        text = command.get_help(context)
        below = [
            section
            for inner in (command.list_commands(context) if isinstance(command, click.Group) else ())
            for section in _sections(parent, f"{path} {inner}", command)
        ]
    return [f"## {context.command_path}", "", "```text", text, "```", "", *below]


if __name__ == "__main__":
    click.echo(markdown(), nl=False)
