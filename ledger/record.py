"""Recording a cluster: everything one watcher needs, put together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.cluster import Cluster
from ledger.errors import Forbidden
from ledger.keys import KeyRing, check_key
from ledger.log import open_log
from ledger.model import KINDS, utc_now
from ledger.observe import Observer, Stream
from ledger.redaction import Policy, Redactor
from ledger.resume import read_resume
from ledger.settings import Settings
from ledger.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Target:
    """Which cluster to record, as whom, and what of it."""

    kubeconfig: str | None = None
    """The kubeconfig file; None for in-cluster credentials or kubectl's own rules."""

    context: str | None = None
    """The kubeconfig's context; None for its current one."""

    namespaces: tuple[str, ...] = ()
    """Only these namespaces; none means all. Volumes have no namespace and are always recorded."""

    cluster_id: str = ""
    """The cluster's id, where the credentials may not read namespace kube-system."""

    policy: Policy = "secrets"
    """How secrets are hidden: `secrets`, `strict` (every env value and argument) or `off`."""


def streams_of(namespaces: Sequence[str]) -> list[Stream]:
    """A stream for each kind and namespace; cluster-scoped kinds have one."""
    scopes = namespaces or ("*",)
    return [
        Stream(kind, scope) for kind in KINDS for scope in (scopes if kind.namespaced else ("*",))
    ]


async def record(settings: Settings, target: Target, stop: asyncio.Event) -> None:
    """Record until `stop` is set; then everything seen is in the log, and a stream-stop with it.

    Raises ConfigurationInvalid, ClusterUnreachable and Forbidden before anything is written;
    OtherCluster and KeyMismatch when the log is not this cluster's or not under a key we hold.
    """
    ring = KeyRing.open_or_create(settings.keys, now=utc_now())
    cluster = await Cluster.connect(target.kubeconfig, target.context)
    try:
        identity = target.cluster_id or await _identity(cluster)
        await _refuse_no_rights(cluster, target)
        log = await open_log(settings.log_address)
        try:
            streams = streams_of(target.namespaces)
            resume = await read_resume(log, streams, cluster=identity)
            check_key(ring, resume.redaction_key)
            key_id, key = ring.redaction_key()
            redactor = Redactor(target.policy, key_id, key)
            observer = Observer(identity, secrets.token_hex(4), redactor, resume.epoch)
            watcher = Watcher(cluster, log, observer, streams, resume.cursors)
            await watcher.run(stop)
        finally:
            await log.close()
    finally:
        await cluster.close()


async def _identity(cluster: Cluster) -> str:
    try:
        return await cluster.identity()
    except Forbidden as wrong:
        raise Forbidden(
            wrong.message,
            hint="grant get on namespace kube-system (compose/kubernetes/rbac.yaml), "
            "or say which cluster this is with --cluster-id",
        ) from wrong


async def _refuse_no_rights(cluster: Cluster, target: Target) -> None:
    """One kind that is forbidden leaves a gap; where nothing at all may be read, recording would
    be a lie."""
    refused: Forbidden | None = None
    for stream in streams_of(target.namespaces):
        try:
            await cluster.list_page(stream, "", limit=1)
        except Forbidden as wrong:
            refused = wrong
        else:
            return
    if refused is not None:
        raise refused
