"""What an undo asks of the API server, with the caller's credentials; one request each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from ledger.errors import Forbidden, LedgerError, Refused
from ledger.keep import controller_of
from ledger.login import Request
from ledger.model import CLAIMS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Kind
from ledger.undo.patch import FIELD_MANAGER

DryRun = Literal["none", "client", "server"]
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
PAGE_ITEMS = 500

Raw = dict[str, Any]


class Asked(Protocol):
    """A connection to an API server (ledger.cluster.Cluster)."""

    async def ask(self, request: Request) -> Raw:
        """The JSON object that answers one request."""


async def cluster_uid(cluster: Asked) -> str:
    """What identifies the cluster: the uid of namespace kube-system. Raises Forbidden."""
    raw_namespace = await cluster.ask(Request("/api/v1/namespaces/kube-system"))
    return str(raw_namespace["metadata"]["uid"])


class SetNotFound(LedgerError):
    """The StatefulSet does not exist."""


async def read_set(cluster: Asked, namespace: str, name: str) -> Raw:
    """The StatefulSet as it is now. Raises SetNotFound in kubectl's words."""
    try:
        return await cluster.ask(Request(_path(STATEFUL_SETS, namespace, name)))
    except Refused as wrong:
        if wrong.code == 404:
            raise SetNotFound(wrong.message) from wrong
        raise


async def read_revisions(cluster: Asked, raw_set: Mapping[str, Any]) -> list[Raw]:
    """The ControllerRevisions that the set controls, found as kubectl finds them (history.go)."""
    return await _owned(cluster, CONTROLLER_REVISIONS, raw_set)


async def read_pods(cluster: Asked, raw_set: Mapping[str, Any]) -> list[Raw]:
    """The pods that the set controls."""
    return await _owned(cluster, PODS, raw_set)


async def read_claim(cluster: Asked, namespace: str, name: str) -> Raw | None:
    """A claim; None when there is none of that name."""
    return await _found(cluster, Request(_path(CLAIMS, namespace, name)))


async def exists(cluster: Asked, plural: str, namespace: str, name: str) -> bool | None:
    """Whether a namespaced core object exists; None when these credentials may not look.

    Only its metadata is asked for: a Secret's values stay where they are.
    """
    path = f"/api/v1/namespaces/{namespace}/{plural}/{name}"
    try:
        return await _found(cluster, Request(path, accept=METADATA_ONLY)) is not None
    except Forbidden:
        return None


async def patch_set(
    cluster: Asked, raw_set: Mapping[str, Any], operations: Sequence[Raw], *, is_trial: bool
) -> Raw:
    """The StatefulSet that a JSON patch leaves; with `is_trial` nothing is kept of it."""
    metadata = raw_set["metadata"]
    query = [("fieldManager", FIELD_MANAGER), *([("dryRun", "All")] if is_trial else [])]
    return await cluster.ask(
        Request(
            _path(STATEFUL_SETS, metadata["namespace"], metadata["name"]),
            tuple(query),
            "PATCH",
            list(operations),
            "application/json-patch+json",
        )
    )


async def delete_pod(cluster: Asked, raw_pod: Mapping[str, Any], *, is_trial: bool) -> bool:
    """Delete exactly this state of this pod; False, and nothing deleted, when it has changed."""
    metadata = raw_pod["metadata"]
    preconditions = {name: metadata[name] for name in ("uid", "resourceVersion")}
    body: Raw = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
    if is_trial:
        # Beside a body the API server does not read a dryRun of the query (apiserver, delete.go).
        body["dryRun"] = ["All"]
    path = _path(PODS, metadata["namespace"], metadata["name"])
    try:
        await cluster.ask(Request(path, (), "DELETE", body))
    except Refused as wrong:
        if wrong.code in (404, 409):
            return False
        raise
    return True


async def _owned(cluster: Asked, kind: Kind, raw_set: Mapping[str, Any]) -> list[Raw]:
    metadata = raw_set["metadata"]
    found: list[Raw] = []
    token = ""
    while True:
        query = [("labelSelector", selector_of(raw_set)), ("limit", str(PAGE_ITEMS))]
        if token:
            query.append(("continue", token))
        page = await cluster.ask(Request(kind.path(metadata["namespace"]), tuple(query)))
        found += page.get("items") or []
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token:
            return [
                raw for raw in found if (controller_of(raw) or {}).get("uid") == metadata["uid"]
            ]


def selector_of(raw_set: Mapping[str, Any]) -> str:
    """spec.selector as a query (apimachinery, LabelSelectorAsSelector)."""
    selector = raw_set["spec"]["selector"]
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        match each["operator"]:
            case "In" | "NotIn" as operator:
                terms.append(f"{key} {operator.lower()} ({values})")
            case "Exists":
                terms.append(key)
            case _:
                terms.append(f"!{key}")
    return ",".join(terms)


async def _found(cluster: Asked, request: Request) -> Raw | None:
    try:
        return await cluster.ask(request)
    except Refused as wrong:
        if wrong.code == 404:
            return None
        raise


def _path(kind: Kind, namespace: str, name: str) -> str:
    return f"{kind.path(namespace)}/{name}"
