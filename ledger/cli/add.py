"""`note` and `import`: what is added to the record afterwards."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from ledger.cli.options import installation, scope_options
from ledger.cli.output import reader_of
from ledger.cli.record import own_rules_of
from ledger.errors import LogUnusable, UsageError
from ledger.reader import LedgerReader
from ledger.settings import Settings
from ledger.targets import Scope, find

FOLD_SECONDS = 1.0
"""How long a note is waited for: a running consumer folds it within a fraction of this."""

POLL_SECONDS = 0.05


@click.command()
@click.argument("target", nargs=-1, required=True, metavar="sts/NAME")
@scope_options
@click.option("--revision", "word", required=True, metavar="N", help="A number or label; or live.")
@click.option("--ticket", default="", metavar="ID", help="The ticket it belongs to.")
@click.option("--approver", default="", metavar="WHO", help="Who approved it.")
@click.option("--message", default="", metavar="TEXT", help="Anything else that should be known.")
@click.option("--by", default="", metavar="WHO", help="Who says so; default: this user and host.")
@installation
def note(
    settings: Settings,
    target: tuple[str, ...],
    namespace: str,
    selector: str,
    word: str,
    ticket: str,
    approver: str,
    message: str,
    by: str,
    *,
    all_namespaces: bool,
) -> None:
    """Add what is known later about a revision: its ticket, approver, anything.

    A note is a record of its own, with who said it and when; it changes nothing that was. history,
    show and reports have it once the log is folded, and say that it came later.

    \b
    Example:
      rollout-ledger note sts/web --revision 7 --ticket INC-2038 --message "approved by phone"
    """
    from ledger.note import About, Note, add, this_user
    from ledger.show import revision

    told = Note(ticket.strip(), approver.strip(), message.strip(), by.strip() or this_user())
    if told.is_empty:
        raise UsageError("the note is empty", hint="give --ticket, --approver or --message")
    reader = reader_of(settings)
    found = find(reader, target, Scope("" if all_namespaces else namespace, selector))
    if len(found) != 1:
        raise UsageError(f"{len(found)} StatefulSets are meant", hint="name one: sts/NAME -n NS")
    shown = revision(reader, found[0], word)
    [scope] = reader.query("report_scope", {})
    about = About(scope["cluster"], found[0], shown)
    position = asyncio.run(add(settings, own_rules_of(settings, None), about, told))
    named = f"statefulset.apps/{found[0]['name']} revision {shown.label}"
    click.echo(f"{named} noted, record {position}")
    if not _is_folded(reader, position):
        click.echo(
            "history and show have it as soon as it is folded: a running serve or consume does so "
            "by itself, else run\n  rollout-ledger consume --once"
        )


def _is_folded(reader: LedgerReader, position: int) -> bool:
    """Whether the ledger has a record, or gets it within a second."""
    deadline = time.monotonic() + FOLD_SECONDS
    while reader.query("report_scope", {})[0]["position"] < position:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--cluster-id", default="", metavar="UID", help="The cluster, for an empty log.")
@installation
def import_(settings: Settings, files: tuple[Path, ...], cluster_id: str) -> None:
    """Read old audit logs of the API server, plain, .gz or .zst, into the log.

    They name who made the changes that were recorded, and tell, marked as imported, of changes that
    nobody watched. Reading a file twice changes nothing.

    \b
    Example:
      rollout-ledger import /var/log/kubernetes/audit-2026-11-*.log.gz
    """
    from ledger.importing import import_files

    rules = own_rules_of(settings, None)
    counts = asyncio.run(import_files(settings, rules, files, cluster=cluster_id))
    if set(counts) == {"unreadable"}:
        raise LogUnusable(
            f"no audit event among {counts['unreadable']} lines",
            hint="give files that the API server has written: --audit-log-path, format json",
        )
    click.echo(
        f"{counts['kept']} writes imported, {counts['dropped']} events are about other things, "
        f"{counts['unreadable']} could not be read"
    )
