"""The options that many commands share, and the settings they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ledger.settings import Settings

Command = Callable[..., Any]
_PLACE = ("data", "ledger", "log", "token")


def place_options(command: Command) -> Command:
    """--data, --ledger, --log and --token: which installation is meant."""
    for option in reversed(
        (
            click.option(
                "--data",
                metavar="DIR",
                envvar="ROLLOUT_LEDGER_DATA",
                show_envvar=True,
                help="Folder that holds log, ledger and keys.",
            ),
            click.option(
                "--ledger",
                metavar="PATH|URL",
                envvar="ROLLOUT_LEDGER",
                show_envvar=True,
                help="Ledger file, or address of a Datasette database that serves one.",
            ),
            click.option(
                "--log",
                metavar="URL",
                envvar="ROLLOUT_LEDGER_LOG",
                show_envvar=True,
                help="Log: sqlite:///path/log.db or kafka://host:9092/topic.",
            ),
            click.option(
                "--token",
                metavar="TOKEN",
                envvar="ROLLOUT_LEDGER_TOKEN",
                show_envvar=True,
                help="Bearer token for a remote ledger.",
            ),
        )
    ):
        command = option(command)
    return command


def installation(command: Command) -> Command:
    """Give the command `settings`, made of the place options it or its group was given."""

    @functools.wraps(command)
    def with_settings(*args: Any, **kwargs: Any) -> Any:
        own = {name: kwargs.pop(name) for name in _PLACE}
        asked = {name: own[name] or _given_above(name) for name in _PLACE}
        data = Path(asked["data"]) if asked["data"] else default_data()
        settings = Settings(data, asked["ledger"], asked["log"], asked["token"])
        return command(*args, settings=settings, **kwargs)

    return place_options(with_settings)


def _given_above(name: str) -> str:
    """What a group above was given: options may stand before the command."""
    context = click.get_current_context().parent
    while context is not None:
        if context.params.get(name):
            return str(context.params[name])
        context = context.parent
    return ""


def default_data() -> Path:
    """The platform's folder for a user's data."""
    import platformdirs

    return Path(platformdirs.user_data_dir("rollout-ledger", appauthor=False))


def scope_options(command: Command) -> Command:
    """-n, -A and -l, as in kubectl."""
    for option in reversed(
        (
            click.option(
                "-n", "--namespace", default="default", show_default=True, help="Namespace."
            ),
            click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces."),
            click.option(
                "-l",
                "--selector",
                default="",
                metavar="LABELS",
                help="Only workloads with these labels: key=value, key!=value, key, !key.",
            ),
        )
    ):
        command = option(command)
    return command


def output_options(*formats: str, default: str = "table") -> Callable[[Command], Command]:
    """-o with these formats, --no-headers, --color and --fresh."""

    def add(command: Command) -> Command:
        for option in reversed(
            (
                click.option(
                    "-o",
                    "--output",
                    type=click.Choice(formats),
                    default=default,
                    show_default=True,
                    help="Output format.",
                ),
                click.option("--no-headers", is_flag=True, help="Leave out the header line."),
                click.option(
                    "--color",
                    type=click.Choice(["auto", "always", "never"]),
                    default="auto",
                    show_default=True,
                    help="Colour; NO_COLOR is honoured.",
                ),
                click.option(
                    "--fresh",
                    is_flag=True,
                    help="Exit with 3 when the recording is stale or has an open gap.",
                ),
            )
        ):
            command = option(command)
        return command

    return add
