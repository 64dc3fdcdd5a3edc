"""What the tables of claims and volumes mean."""

from __future__ import annotations

from ledger.dictionary.entry import Entry

_STATE = {
    "resource_version": "its resourceVersion",
    "position": "the record",
    "observed_at": "when it was seen",
}
_NEWEST = {
    "observed_at": "when it was first seen",
    "resource_version": "the newest resourceVersion in which something here changed",
    "position": "the record of that state",
}
_ENDS = {
    "created_at": "creationTimestamp",
    "terminating_at": "deletionTimestamp: it goes once its finalizers let it",
    "deleted_at": "when it was gone, or the upper bound of that time",
    "deleted_after": "the lower bound of that time, when the deletion was not watched",
    "deleted_how": "observed, or inferred from a complete list",
}
_ASKED = {
    "asked": "the storage that its spec requests",
    "asked_bytes": "the same in bytes",
}
_SHAPE = {
    "class": "its storageClassName; null where it names none",
    "access_modes": "spec.accessModes",
}
_CLAIM = {
    "phase": "status.phase: Pending, Bound or Lost",
    "volume": "spec.volumeName",
    **_ASKED,
    "capacity": "the storage it really has, status.capacity",
    **_SHAPE,
    "owners": "its ownerReferences, JSON: when all of them are gone, the garbage collector deletes"
    " the claim",
    "finalizers": "what must let go of it before it can be deleted",
    "revision": "its label controller-revision-hash (KEP-4650), empty for none",
}
_VOLUME = {
    "phase": "status.phase: Available, Bound, Released or Failed",
    "claim_namespace": "namespace in its claimRef",
    "claim_name": "name in its claimRef",
    "claim_uid": "uid in its claimRef: still that of the old claim while Released",
    "claim_set_by": "the field manager that wrote its claimRef",
    "capacity": "spec.capacity.storage",
    **_SHAPE,
    "reclaim_policy": "what becomes of it when its claim goes: Retain, Delete or Recycle",
    "source": "the kind of storage: csi, nfs, local and others",
    "handle": "what it is called there",
}

VOLUMES: dict[str, Entry] = {
    "claims": Entry(
        "One PersistentVolumeClaim: whose it is, what it asks for, and who deleted it and why.",
        {
            "uid": "uid of the claim",
            "object_id": "the claim as an object",
            "namespace": "its namespace",
            "name": "its name",
            "template": "the claim template that its name says it is made from",
            "workload": "name of the StatefulSet that its name says it belongs to",
            "ordinal": "the ordinal in its name",
            "workload_uid": "the newest incarnation that it belongs to by name",
            "ambiguous": "the sets that its name fits, where its users do not tell them apart",
            "phase": _CLAIM["phase"],
            "volume": _CLAIM["volume"],
            "first_asked": "the storage it requested when it was first seen",
            "first_asked_bytes": "the same in bytes",
            **_ASKED,
            "capacity": _CLAIM["capacity"],
            **_SHAPE,
            "owner": "who owns it: set, pod, other; empty for nobody",
            "owners": _CLAIM["owners"],
            "finalizers": _CLAIM["finalizers"],
            "revision": _CLAIM["revision"],
            "predecessor": "uid of the claim that had the name before",
            **_ENDS,
            "deleted_why": "retention whenDeleted or whenScaled (by the garbage collector), by hand"
            " (or with its namespace), or unknown",
            "decided_at": "when its deletion was asked for",
            "decided_when_deleted": "the set's whenDeleted at that time",
            "decided_when_scaled": "the set's whenScaled at that time",
            **_NEWEST,
        },
        label_column="name",
        facets=("namespace", "phase", "deleted_why"),
        sort_desc="observed_at",
    ),
    "volumes": Entry(
        "One PersistentVolume, as it was last seen.",
        {
            "uid": "uid of the volume",
            "object_id": "the volume as an object",
            "name": "its name",
            **_VOLUME,
            **_ENDS,
            **_NEWEST,
        },
        label_column="name",
        facets=("phase", "class", "reclaim_policy"),
        sort_desc="observed_at",
    ),
    "bindings": Entry(
        "Which volume a claim had, from when to when.",
        {
            "claim_uid": "the claim",
            "volume": "name of the volume",
            "volume_uid": "uid of the volume; empty when volumes were not recorded",
            "bound_at": "when one of the two was first seen bound to the other",
            "released_at": "when that ended; null while it lasts",
            "why": "why it ended: claim deleted, volume deleted, released, or claimRef changed",
            "set_by": "the field manager that wrote the volume's claimRef first",
        },
        sort_desc="bound_at",
    ),
    "mounts": Entry(
        "Which pod used which claim, from when to when.",
        {
            "pod_uid": "uid of the pod",
            "claim_uid": "the claim that had the name then",
            "volume": "name of the volume inside the pod",
            "namespace": "namespace of both",
            "claim": "name of the claim",
            "pod": "name of the pod",
            "workload_uid": "the incarnation that controlled the pod last",
            "ordinal": "the pod's ordinal",
            "revision": "the revision the pod ran",
            "from_at": "when the pod was given a node; null while it waits for one",
            "to_at": "when the pod was gone, or the upper bound of that time",
            "to_after": "the lower bound of that time, when the deletion was not watched",
        },
        facets=("workload_uid", "ordinal"),
        sort_desc="from_at",
    ),
    "claim_states": Entry(
        "A state of a claim in which something that counts changed.",
        {
            "object_id": "the claim",
            **_STATE,
            **_CLAIM,
            "terminating_at": _ENDS["terminating_at"],
        },
        sort_desc="observed_at",
    ),
    "volume_states": Entry(
        "A state of a volume in which something that counts changed.",
        {
            "object_id": "the volume as an object",
            **_STATE,
            **_VOLUME,
            "terminating_at": _ENDS["terminating_at"],
        },
        sort_desc="observed_at",
    ),
    "claim_templates": Entry(
        "A claim template of an incarnation, as it was last seen.",
        {
            "workload_uid": "the incarnation",
            "template": "name of the template: the first part of its claims' names",
            "namespace": "the incarnation's namespace",
            "workload": "the incarnation's name",
            "created_at": "when the incarnation was created",
            "resource_version": "the newest resourceVersion in which it was otherwise than before",
            **_ASKED,
            **_SHAPE,
        },
    ),
    "pod_claims": Entry(
        "A claim that a pod names in its spec.",
        {
            "object_id": "the pod",
            "volume": "name of the volume inside the pod",
            "namespace": "the pod's namespace",
            "claim": "name of the claim",
        },
    ),
}
