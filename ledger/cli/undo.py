"""`undo`: back to any revision there ever was; shown before it is done, and done once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.options import installation, output_options
from ledger.cli.output import STALE_EXIT, Screen, close, machine, now_fresh, reader_of
from ledger.cli.undo_following import follow_undo
from ledger.cli.undo_options import Call, call_of, undo_options
from ledger.cli.undo_shown import (
    document_of,
    print_plan,
    tell_deleted,
    tell_outcome,
    warn_of_apply,
)
from ledger.errors import Forbidden, LedgerError, NotRecorded, Refused, UsageError
from ledger.freshness import Freshness
from ledger.kubeconfig import ServiceAccount
from ledger.model import Position
from ledger.settings import Settings

if TYPE_CHECKING:
    from ledger.cluster import Cluster
    from ledger.undo import Deleted, History, Live, Outcome, Plan

RIGHTS = (
    "undo acts with your own rights: get and patch statefulsets, list controllerrevisions and "
    "pods, and for --unstick delete pods"
)
UNRECORDED = Freshness("empty", None, None, -1, "no ledger at hand")


@click.command()
@click.argument("target", nargs=-1, metavar="sts/NAME")
@undo_options
@output_options("table", "json", "kubectl")
@installation
@click.pass_context
def undo(
    context: click.Context,
    /,
    settings: Settings,
    target: tuple[str, ...],
    namespace: str,
    output: str,
    color: str,
    *,
    kubeconfig: str | None,
    context_name: str | None,
    in_cluster: bool,
    no_headers: bool,
    fresh: bool,
    **given: Any,
) -> None:
    """Set a StatefulSet back to any revision it ever had.

    Without a target it is the newest earlier revision with another template that a pod became ready
    on. What would change, what will not be restored and what stands in the way is shown first; then
    the API server tries the very patch, you are asked, and it is sent once. It fails, and nothing
    is done, when somebody changed the spec meanwhile.

    It acts with your own kubeconfig. -o kubectl prints what kubectl rollout undo prints.

    \b
    Example:
      rollout-ledger undo sts/web
      rollout-ledger undo sts/web --to-revision 3 --reason "2.5 leaks" --ticket INC-1 --wait
      rollout-ledger undo sts/web --unstick -y
    """
    del no_headers
    with asyncio.Runner() as runner:
        cluster = runner.run(_connected(kubeconfig, context_name, in_cluster))
        try:
            call = call_of(target, output, namespace or cluster.namespace, given)
            session = Session(
                runner, cluster, call, _history(settings, given["identity"]), Screen.of(color)
            )
            context.exit(session.undo(must_be_fresh=fresh))
        except Forbidden as wrong:
            raise Forbidden(wrong.message, hint=RIGHTS) from wrong
        finally:
            runner.run(cluster.close())


async def _connected(kubeconfig: str | None, context: str | None, in_cluster: bool) -> Cluster:
    from ledger.cluster import Cluster

    account: ServiceAccount = "only" if in_cluster else "never"
    return await Cluster.connect(kubeconfig, context, service_account=account)


def _history(settings: Settings, identity: str) -> History | None:
    """The ledger at hand; None where there is none and none was named."""
    from ledger.cli.record import own_rules_of
    from ledger.sealing import open_identities
    from ledger.undo import History

    identities = open_identities(Path(identity)) if identity else None
    if not settings.ledger and not settings.ledger_path.exists():
        return None
    rules = own_rules_of(settings, None)
    return History(reader_of(settings), _bodies(settings), identities, rules)


def _bodies(settings: Settings) -> Callable[[Position], bytes] | None:
    """What reads the log behind the ledger, where that is at hand."""
    if not settings.log_file.exists() or (settings.ledger and not settings.log):
        return None

    def body(position: Position) -> bytes:
        from ledger.log.sqlite import LogFile

        with LogFile.open(settings.log_file, writable=False) as log:
            return log.get(position)

    return body


class Session:
    """One undo, from the first look to the last line."""

    def __init__(
        self,
        runner: asyncio.Runner,
        cluster: Cluster,
        call: Call,
        history: History | None,
        screen: Screen,
    ) -> None:
        self._run = runner.run
        self._cluster = cluster
        self._call = call
        self._history = history
        self._screen = screen

    def undo(self, *, must_be_fresh: bool) -> int:
        """The exit code, once everything that was asked for is done."""
        if self._call.asks_first and not self._can_ask:
            raise UsageError("nobody can be asked here", hint="-y goes on without asking")
        fresh = now_fresh(self._history.reader) if self._history else None
        if must_be_fresh and fresh is None:
            raise NotRecorded(
                "there is no ledger here that could be fresh",
                hint="--ledger names one; without --fresh the cluster alone is asked",
            )
        if must_be_fresh and fresh and (fresh.is_doubtful or fresh.state == "ended"):
            close(fresh, screen=self._screen, must_be_fresh=True)
            return STALE_EXIT
        while True:
            plan = self._planned()
            self._show(plan, fresh)
            outcome = self._outcome(plan)
            if outcome.ending != "changed meanwhile":
                return self._finish(plan, outcome, fresh)
            told = f"statefulset.apps/{plan.name} was changed meanwhile, nothing done"
            click.echo(f"{told}: {outcome.changed}", err=True)
            if not self._call.asks_first:
                self._print_document(plan, outcome, (), fresh)
                return 1

    @property
    def _can_ask(self) -> bool:
        return sys.stdin.isatty() and self._call.output != "json"

    def _planned(self) -> Plan:
        from ledger.undo import plan

        try:
            return self._run(plan(self._cluster, self._call.wish, self._history))
        except NotRecorded as wrong:
            if self._call.output != "kubectl":
                raise
            raise LedgerError(wrong.message) from wrong

    def _show(self, plan: Plan, fresh: Freshness | None) -> None:
        output = self._call.output
        if output == "json":
            return
        # kubectl's own lines are alone on stdout.
        with redirect_stdout(sys.stderr if output == "kubectl" else sys.stdout):
            print_plan(self._screen, plan)
            if fresh:
                close(fresh, screen=self._screen, must_be_fresh=False)
        if output == "kubectl":
            warn_of_apply(plan)

    def _outcome(self, plan: Plan) -> Outcome:
        from ledger.undo import apply

        call = self._call
        agreed = self._asked if call.asks_first else self._told
        try:
            return self._run(
                apply(self._cluster, plan, call.orders, agreed=lambda tried: agreed(plan, tried))
            )
        except (Forbidden, Refused) as wrong:
            if call.output != "kubectl":
                raise
            cause = wrong.message.partition("): ")[2] or wrong.message
            raise LedgerError(f"failed restoring revision {call.word}: {cause}") from wrong

    def _told(self, plan: Plan, tried: Outcome) -> bool:
        for path in tried.altered:
            told = f"warning: the API server would keep another {path} than was asked for"
            click.echo(told, err=True)
        return True

    def _asked(self, plan: Plan, tried: Outcome) -> bool:
        self._told(plan, tried)
        pods = f", and delete {_named(plan)}" if self._call.unsticks and plan.blockers else ""
        question = f"Roll statefulset.apps/{plan.name} back to revision {plan.target.label}{pods}?"
        return click.confirm(question, err=True)

    def _finish(self, plan: Plan, outcome: Outcome, fresh: Freshness | None) -> int:
        call = self._call
        if outcome.ending == "declined":
            click.echo("nothing done", err=True)
            return 1
        if call.orders.skips_trial:
            self._told(plan, outcome)
        if call.output != "json":
            tell_outcome(call, plan, outcome)
        deleted: list[Deleted] = []
        try:
            if call.unsticks:
                self._unstick(plan, outcome, deleted)
        finally:
            # What was done is told, also where the rest of it failed.
            self._print_document(plan, outcome, deleted, fresh)
        if call.waits and call.orders.dry_run == "none":
            generation = outcome.generation or plan.live.status.generation
            with redirect_stdout(sys.stderr if call.output == "json" else sys.stdout):
                follow_undo(self._screen, call, plan, self._look(plan), generation)
        return 0

    def _unstick(self, plan: Plan, outcome: Outcome, deleted: list[Deleted]) -> None:
        from ledger.undo import forecast, unstick

        def tell(each: Deleted) -> None:
            deleted.append(each)
            if self._call.output != "json":
                tell_deleted(self._call, [each])

        if self._call.orders.dry_run != "none":
            asks = self._call.orders.dry_run == "server"
            for each in self._run(forecast(self._cluster, plan, asks_server=asks)):
                tell(each)
        elif outcome.ending != "skipped" or self._may_delete(plan):
            generation = outcome.generation or plan.live.status.generation
            self._run(unstick(self._cluster, plan, generation=generation, told=tell))

    def _may_delete(self, plan: Plan) -> bool:
        """Whether pods of a set that needs no patch may be deleted: nobody was asked so far."""
        if not self._call.asks_first:
            return True
        if plan.blockers and click.confirm(f"Delete {_named(plan)}?", err=True):
            return True
        click.echo("no pod was deleted", err=True)
        return False

    def _look(self, plan: Plan) -> Callable[[], Live]:
        from ledger.undo import look

        return lambda: self._run(look(self._cluster, plan.namespace, plan.name))

    def _print_document(
        self, plan: Plan, outcome: Outcome, deleted: Sequence[Deleted], fresh: Freshness | None
    ) -> None:
        item = document_of(plan, outcome, deleted)
        if self._call.output == "json":
            machine("json", "Undo", [], [item], fresh or UNRECORDED)


def _named(plan: Plan) -> str:
    return ", ".join(f'pod "{each.pod}"' for each in plan.blockers)
