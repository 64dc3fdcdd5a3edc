"""kubernetes#67250: a rollback that waits for ever on the pod it is meant to replace; pure.

With podManagementPolicy OrderedReady the controller first waits until every pod is ready and only
then moves pods to the update revision (stateful_set_control.go, processReplica before the update of
targets). A pod that never became ready on a template which the spec has given up in the meantime is
neither waited out nor replaced: only deleting it helps.
"""

from __future__ import annotations

from ledger.rollout.sets import ORDERED_READY, ROLLING_UPDATE, SetStatus
from ledger.rollout.trouble import Trouble


def is_trap(status: SetStatus, trouble: Trouble) -> bool:
    """Whether this stuck pod holds up the set for ever although its template is no longer wanted.

    No trap is: a set that replaces unready pods by itself (Parallel) or none (OnDelete, Recreate),
    a pod beneath the partition, one that is going already, and one that is on a wanted revision:
    the update revision, or, while an update is under way, the current one. After a revert both are
    the same, so the pod's own label tells, never the status' counters.
    """
    pod = trouble.pod_state
    return (
        status.strategy == ROLLING_UPDATE
        and status.pod_management == ORDERED_READY
        and trouble.ordinal in status.target_ordinals
        and pod is not None
        and pod.terminating_at is None
        and pod.revision not in ("", status.update_revision, status.current_revision)
    )
