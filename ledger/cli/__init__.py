"""The command line: thin, and quick to start.

A command's module is imported only when that command runs, so `history` never pays for Kubernetes,
Kafka or Datasette. This is also where errors become one line and an exit code.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from ledger import __version__
from ledger.cli.options import place_options
from ledger.errors import LedgerError

COMMANDS = {
    "demo": "ledger.cli.demo:demo",
    "serve": "ledger.cli.record:serve",
    "watch": "ledger.cli.record:watch",
    "consume": "ledger.cli.record:consume",
    "web": "ledger.cli.record:web",
    "history": "ledger.cli.history:history",
    "status": "ledger.cli.status:status",
    "show": "ledger.cli.show:show",
    "diff": "ledger.cli.diff:diff",
    "blame": "ledger.cli.blame:command",
    "rollouts": "ledger.cli.rollouts:command",
    "changes": "ledger.cli.changes:changes",
    "volumes": "ledger.cli.volumes:command",
    "undo": "ledger.cli.undo:undo",
    "report": "ledger.cli.report:report",
    "note": "ledger.cli.add:note",
    "import": "ledger.cli.add:import_",
    "query": "ledger.cli.query:query",
    "gaps": "ledger.cli.query:gaps",
    "rebuild": "ledger.cli.maintain:rebuild",
    "backup": "ledger.cli.maintain:backup",
    "keys": "ledger.cli.maintain:keys",
    "doctor": "ledger.cli.maintain:doctor",
}
DEBUG = "ROLLOUT_LEDGER_DEBUG"


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={
        "auto_envvar_prefix": "ROLLOUT_LEDGER",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="rollout-ledger")
@place_options
def group(**_place: Any) -> None:
    """The audit trail of stateful workloads on Kubernetes.

    Every revision a StatefulSet ever had, with why it came to be and what changed, long after
    Kubernetes has renumbered or pruned it. Start with: rollout-ledger demo
    """


def main(prog_name: str = "rollout-ledger") -> None:
    """Run the command line and end the process with the exit code that the outcome has."""
    sys.exit(run(sys.argv[1:], prog_name))


def kubectl_plugin() -> None:
    """`kubectl rollout-ledger …`: the same commands, called by kubectl."""
    main("kubectl rollout-ledger")


def run(arguments: list[str], prog_name: str = "rollout-ledger") -> int:
    """Run one command; its exit code. Errors have been told on stderr when it returns."""
    try:
        outcome = group.main(arguments, prog_name=prog_name, standalone_mode=False)
        return outcome if isinstance(outcome, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except LedgerError as wrong:
        tell(wrong.message, wrong.hint)
        return wrong.exit_code
    except Exception as wrong:
        if os.environ.get(DEBUG):
            raise
        tell(f"internal: {type(wrong).__name__}: {wrong}", f"set {DEBUG}=1 to see where")
        return 1


def tell(message: str, hint: str = "") -> None:
    """One line of error, in kubectl's manner, and what to do about it."""
    line = " ".join(message.split())
    as_is = ("Error from server", "The connection to the server", "Unable to connect")
    click.echo(line if line.startswith(as_is) else f"error: {line}", err=True)
    if hint:
        click.echo(f"hint: {' '.join(hint.split())}", err=True)
