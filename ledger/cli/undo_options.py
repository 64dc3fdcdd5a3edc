"""What `undo` can be told, and what that means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.times import past, seconds_of
from ledger.errors import UsageError
from ledger.targets import names_of

if TYPE_CHECKING:
    from ledger.undo import Orders, Wish

DRY_RUNS = ("none", "client", "server")
_OPTIONS = (
    click.option("-n", "--namespace", default="", help="Namespace; default: the context's."),
    click.option("--kubeconfig", metavar="FILE", help="Kubeconfig file to use."),
    click.option(
        "--context", "context_name", metavar="NAME", help="Context of the kubeconfig to use."
    ),
    click.option(
        "--in-cluster", is_flag=True, help="Act as the pod's service account; never by itself."
    ),
    click.option(
        "--to-revision", default="", metavar="N", help="A number or label; 0 is the previous one."
    ),
    click.option("--to-time", default="", metavar="WHEN", help="As at: 30m, 2h, RFC 3339."),
    click.option(
        "--to-last-good", is_flag=True, help="The newest that was complete and stayed healthy."
    ),
    click.option(
        "--good-for", default="1h", show_default=True, metavar="TIME", help="Healthy for so long."
    ),
    click.option(
        "--incarnation", default="", metavar="UID", help="Of an earlier set of this name."
    ),
    click.option(
        "--dry-run",
        default="none",
        show_default=True,
        metavar="none|client|server",
        help="client: only show; server: have the API server try it.",
    ),
    click.option(
        "--skip-server-dry-run", is_flag=True, help="Write without a trial on the API server."
    ),
    click.option(
        "--identity",
        default="",
        metavar="FILE",
        envvar="ROLLOUT_LEDGER_IDENTITY",
        show_envvar=True,
        help="age identity that opens sealed originals.",
    ),
    click.option("--reason", default="", metavar="TEXT", help="Why; kept in the ledger."),
    click.option("--ticket", default="", metavar="ID", help="The ticket; kept in the ledger."),
    click.option("--force", is_flag=True, help="Although something else manages the set."),
    click.option("--unstick", is_flag=True, help="Delete the pods that hold it up for ever."),
    click.option("--wait", is_flag=True, help="Follow it to its end, as status does."),
    click.option("--timeout", default="", metavar="TIME", help="Wait no longer: 30s, 5m, 1h."),
    click.option("-y", "--yes", is_flag=True, help="Do not ask."),
)


def undo_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options of `undo` beside those of every command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Call:
    """What the command line asked for."""

    wish: Wish
    orders: Orders
    output: str
    word: str
    """The revision as kubectl repeats it: 0 where none was named."""

    is_confirmed: bool
    unsticks: bool
    waits: bool
    timeout_seconds: float | None

    @property
    def asks_first(self) -> bool:
        """Whether somebody has to say yes before anything is written."""
        return not self.is_confirmed and self.orders.dry_run == "none"


def call_of(target: tuple[str, ...], output: str, namespace: str, given: dict[str, Any]) -> Call:
    """The call that these options make. Raises UsageError for what does not fit together."""
    from ledger.undo import Orders, Wish

    if given["dry_run"] not in DRY_RUNS:
        told = f'Invalid dry-run value ({given["dry_run"]}). Must be "none", "server", or "client".'
        raise UsageError(told)
    names = names_of(target)
    if len(names) != 1:
        raise UsageError(
            "required resource not specified" if not names else "undo takes one StatefulSet",
            hint="rollout-ledger undo sts/NAME -n NAMESPACE",
        )
    word = given["to_revision"] or "0"
    return Call(
        Wish(namespace, names[0], _to(given), given["incarnation"], unsticks=given["unstick"]),
        Orders(
            given["dry_run"],
            given["reason"],
            given["ticket"],
            forced=given["force"],
            skips_trial=given["skip_server_dry_run"],
        ),
        output,
        word,
        is_confirmed=given["yes"],
        unsticks=given["unstick"],
        waits=given["wait"],
        timeout_seconds=seconds_of(given["timeout"]),
    )


def _to(given: dict[str, Any]) -> Any:
    from ledger.undo import Previous, ToLastGood, ToRevision, ToTime

    named = [name for name in ("to_revision", "to_time", "to_last_good") if given[name]]
    if len(named) > 1:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in named)
        raise UsageError(f"{flags} name different revisions", hint="give one of them")
    if given["to_revision"]:
        return ToRevision(given["to_revision"])
    if given["to_time"]:
        return ToTime(past(given["to_time"]))
    if given["to_last_good"]:
        return ToLastGood(seconds_of(given["good_for"]) or 0.0)
    return Previous()
