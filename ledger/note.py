"""`note`: what is known later about a revision, as a record of its own; nothing that was recorded
changes.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ledger.appending import appending
from ledger.errors import LogUnusable
from ledger.model import NOWHERE, STATEFUL_SETS, ObjectRef, Position, utc_now
from ledger.own_rules import OwnRules
from ledger.settings import Settings
from ledger.show import RecordedRevision


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody says of a revision; empty parts say nothing."""

    ticket: str = ""
    approver: str = ""
    message: str = ""
    said_by: str = ""
    """Who says it, by their own word."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said."""
        return not (self.ticket or self.approver or self.message)


@dataclass(frozen=True, slots=True)
class About:
    """What a note is about: a revision of a workload (a row of queries/incarnations.sql) of a
    cluster.
    """

    cluster: str
    workload: Mapping[str, str]
    shown: RecordedRevision

    @property
    def ref(self) -> ObjectRef:
        """The StatefulSet."""
        named = (self.workload[name] for name in ("namespace", "name", "uid"))
        return ObjectRef(STATEFUL_SETS.plural, *named)


def this_user() -> str:
    """Who runs this, as the machine knows them: `alice@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


async def add(settings: Settings, rules: OwnRules, about: About, note: Note) -> Position:
    """Append the note to the log; its position. The ledger has it once the log is folded.

    Raises LogUnusable for a log that holds nothing, OtherCluster for one that is not of the
    revision's cluster, and as ledger/appending.py does.
    """
    if settings.log_address.startswith("sqlite:") and not settings.log_file.exists():
        raise LogUnusable(
            f"there is no log at {settings.log_file}",
            hint="a note belongs into the log of its revision: name it with --log or --data",
        )
    data = {
        "workloadUid": about.workload["uid"],
        "number": about.shown.row["number"],
        "revisionUid": about.shown.row["revision_uid"],
        "ticket": note.ticket,
        "approver": note.approver,
        "message": note.message,
        "saidBy": note.said_by,
    }
    async with appending(settings, rules, cluster=about.cluster) as opened:
        if await opened.log.head() == NOWHERE:
            raise LogUnusable("the log is empty, so the revision is not of it")
        told = {name: value for name, value in data.items() if value not in ("", None)}
        await opened.add(opened.observer.noted(about.ref, told, at=utc_now()))
        await opened.flush()
        return opened.position
