"""The commands: `notify-sse serve`, `publish`, `tail` and the rest. Data goes to stdout, everything else to stderr.

Each command family is a module, loaded when it is called, so that `notify-sse token` does not wait for a database
library. What a command raises on purpose becomes one line here, and an exit code:

    0    done
    1    not done: something is unreachable or refused it, or `doctor` found an error
    2    called wrongly
    78   a setting is wrong, or the database's schema is not ours: no waiting helps (EX_CONFIG)
    130  interrupted
"""

import errno
import importlib
import os
import sys
import traceback
from typing import Any, Final, Never

import click

from notify_sse.config.names import variable
from notify_sse.errors import BadConfiguration, NotifyError, SchemaOutdated
from notify_sse.telemetry.printable import printable
from notify_sse.telemetry.redaction import clipped, redacted
from notify_sse.version import __version__

CANNOT_WRITE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

COMMANDS: Final = {
    "serve": ("notify_sse.cli.commands.serve", "Run the service."),
    "migrate": ("notify_sse.cli.commands.migrate", "Bring the database to the schema of this version."),
    "token": ("notify_sse.cli.commands.token", "Make a token for a recipient or a publisher."),
    "revoke": ("notify_sse.cli.commands.revoke", "Take tokens back: of a subject, or a single one."),
    "publish": ("notify_sse.cli.commands.publish", "Publish a notification, or many from standard input."),
    "tail": ("notify_sse.cli.commands.tail", "Show a recipient's notifications as they arrive."),
    "history": ("notify_sse.cli.commands.history", "Show a recipient's stored notifications."),
    "trace": ("notify_sse.cli.commands.trace", "Tell what became of a notification."),
    "connections": ("notify_sse.cli.commands.connections", "List when a recipient was connected."),
    "dlq": ("notify_sse.cli.commands.dlq", "Look after the messages that were refused."),
    "doctor": ("notify_sse.cli.commands.doctor", "Check everything the service needs, and say what to do."),
    "settings": ("notify_sse.cli.commands.settings", "List the settings, their values and where they come from."),
    "rollout": ("notify_sse.cli.commands.rollout", "Say who gets streams, and change it while the service runs."),
    "recipient": ("notify_sse.cli.commands.recipient", "Export or erase what is stored of a recipient."),
    "bench": ("notify_sse.cli.commands.bench", "Put load on a service, and measure it."),
}


def discard_stdout() -> None:
    """Send stdout to /dev/null: its reader has gone (`| head`), or the disk is full. Otherwise the interpreter would
    fail on it a second time, when it flushes at its end.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Failed(click.ClickException):
    """A command that could not do what it was asked: one line on stderr, then exit code 1."""

    def show(self, file: Any = None) -> None:
        """One line on stderr."""
        click.echo(f"notify-sse: {self.format_message()}", file=file, err=True)


class Misconfigured(Failed):
    """A setting is wrong, or the schema: one line on stderr, then exit code 78, as `sysexits.h` has it."""

    exit_code = os.EX_CONFIG


class Commands(click.Group):
    """Loads a command when it is asked for, and turns our errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command in the module that `COMMANDS` names."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it raises on purpose becomes `Failed`."""
        try:
            return super().invoke(ctx)
        except (BadConfiguration, SchemaOutdated) as exc:
            raise Misconfigured(str(exc)) from exc
        except NotifyError as exc:
            raise Failed(str(exc)) from exc
        except BrokenPipeError:
            discard_stdout()
            return 0
        except OSError as exc:
            if exc.errno not in CANNOT_WRITE:
                raise _unforeseen(exc) from exc
            discard_stdout()
            raise Failed(f"cannot write: {exc.strerror}") from exc
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as exc:
            raise _unforeseen(exc) from exc


def _unforeseen(exc: Exception) -> Failed:
    """One line for what nobody thought of; the traceback is for those who ask for it. Errors carry their input, which
    may hold a secret.
    """
    if os.environ.get(variable("log_level"), "").strip().lower() == "debug":
        click.echo(redacted("".join(traceback.format_exception(exc))), err=True, nl=False)
    said = printable(redacted(clipped(f"{type(exc).__name__}: {exc}")))
    return Failed(f"{said} ({variable('log_level')}=debug shows where)")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="notify-sse")
def program() -> None:
    """Push notifications that are never lost: RabbitMQ in, Server-Sent Events out, replay from Postgres.

    Settings are read from the environment: see `notify-sse settings`.
    """


def main() -> Never:
    """The console script. Ends the process."""
    try:
        code = program.main(prog_name="notify-sse", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
