"""kubernetes#67250: a rollback that waits for ever on the pod it is meant to replace; pure.

With podManagementPolicy OrderedReady the controller first waits until every pod is ready and only
then moves pods to the update revision (stateful_set_control.go, processReplica before the update of
targets). A pod that does not become ready on a template which the spec has given up in the meantime
is neither waited out nor replaced: only deleting it helps. That is so after an undo, and just as
much when a set that never came up is given a better template.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.rollout.pods import PodState
from ledger.rollout.sets import ORDERED_READY, ROLLING_UPDATE, SetStatus
from ledger.rollout.trouble import Trouble


def is_trap(status: SetStatus, trouble: Trouble, pods: Iterable[PodState]) -> bool:
    """Whether this stuck pod, one of the set's `pods`, holds up the set for ever although its
    template is no longer wanted.

    No trap is: a set that replaces unready pods by itself (Parallel) or none (OnDelete, Recreate),
    a pod beneath the partition, one that is going already, one on the update revision, and one that
    would come back as it is. The pod's own label tells: after a revert both revisions of the status
    are the same.
    """
    pod = trouble.pod_state
    return (
        status.strategy == ROLLING_UPDATE
        and status.pod_management == ORDERED_READY
        and trouble.ordinal in status.target_ordinals
        and pod is not None
        and pod.terminating_at is None
        and pod.revision not in ("", status.update_revision)
        and not _comes_back(status, trouble.ordinal, pod, pods)
    )


def _comes_back(status: SetStatus, ordinal: int, pod: PodState, pods: Iterable[PodState]) -> bool:
    """Whether the controller would make the pod again on the revision it has.

    It does so with a bare `type: RollingUpdate`, for as many of the lowest ordinals as there are
    pods on the current revision (stateful_set_utils.go, newVersionedStatefulSetPod).
    """
    if status.has_rolling_update or pod.revision != status.current_revision:
        return False
    others = [
        each
        for each in pods
        if each.uid != pod.uid
        and each.revision == status.current_revision
        and each.terminating_at is None
    ]
    return ordinal < status.ordinals_start + len(others)
