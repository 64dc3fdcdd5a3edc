"""Setting a StatefulSet back to any revision it ever had, so that it can be trusted.

`plan` looks at the cluster and the ledger and tells what would happen; `apply` writes it as one
patch that a change in between refuses; `unstick` deletes the pods that would hold it up for ever.
All act with the credentials of the `Cluster` that they are given and print nothing: the command is
made of them, and so can a bot be. `look` reads the set again, to follow it.
"""

from __future__ import annotations

from ledger.undo.applying import (
    KeptAsItIs,
    ManagedElsewhere,
    NoTrial,
    Orders,
    Outcome,
    OutcomeUnknown,
    apply,
)
from ledger.undo.findings import Finding
from ledger.undo.planning import Live, Plan
from ledger.undo.preflight import look, plan
from ledger.undo.sources import History
from ledger.undo.targets import Previous, ToLastGood, ToRevision, ToTime, Wish
from ledger.undo.unsticking import Deleted, forecast, unstick

__all__ = [
    "Deleted",
    "Finding",
    "History",
    "KeptAsItIs",
    "Live",
    "ManagedElsewhere",
    "NoTrial",
    "Orders",
    "Outcome",
    "OutcomeUnknown",
    "Plan",
    "Previous",
    "ToLastGood",
    "ToRevision",
    "ToTime",
    "Wish",
    "apply",
    "forecast",
    "look",
    "plan",
    "unstick",
]
