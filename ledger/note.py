"""`note`: what is known later about a revision, as a record of its own; nothing that was recorded
changes.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from ledger.appending import appending
from ledger.model import STATEFUL_SETS, ObjectRef, utc_now
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
    """Who says it, by their own word; the name of the user and machine when empty."""


async def add(
    settings: Settings,
    rules: OwnRules,
    workload: Mapping[str, str],
    shown: RecordedRevision,
    note: Note,
) -> None:
    """Append the note to the log; the ledger has it once the log is folded. Raises as
    ledger/appending.py does.
    """
    ref = ObjectRef(STATEFUL_SETS.plural, workload["namespace"], workload["name"], workload["uid"])
    data = {
        "workloadUid": workload["uid"],
        "number": shown.row["number"],
        "revisionUid": shown.row["revision_uid"],
        "ticket": note.ticket,
        "approver": note.approver,
        "message": note.message,
        "saidBy": note.said_by or f"{getpass.getuser()}@{socket.gethostname()}",
    }
    async with appending(settings, rules) as opened:
        told = {name: value for name, value in data.items() if value not in ("", None)}
        await opened.add(opened.observer.noted(ref, told, at=utc_now()))
