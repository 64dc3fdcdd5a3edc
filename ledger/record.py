"""Recording a cluster: everything one watcher needs, put together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ledger import own_rules
from ledger.audit.credentials import WebhookSettings
from ledger.audit.source import AuditSource
from ledger.audit.tail import AuditTail
from ledger.audit.webhook import AuditWebhook
from ledger.cluster import Cluster
from ledger.errors import Forbidden, LedgerError
from ledger.health import Shown, showing
from ledger.keys import KeyRing, check_key
from ledger.log import Log, open_log
from ledger.model import CONTROLLER_REVISIONS, KINDS, STATEFUL_SETS, Position, utc_now
from ledger.observe import Observer, Stream
from ledger.own_rules import OwnRules
from ledger.reader import LocalReader
from ledger.redaction import Policy, Redactor
from ledger.resume import read_resume
from ledger.safekeeping import KNOWN, Safekeeping, Seals
from ledger.sealed import read_sealed, sealed_id
from ledger.settings import Settings
from ledger.standing import Standing
from ledger.watchdog import Watchdog
from ledger.watcher import Watcher
from ledger.withholding import Alarms


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

    rules: OwnRules = own_rules.NONE
    """The installation's own rules of redaction."""

    audit_files: tuple[Path, ...] = ()
    """Audit log files of the API server to follow."""

    audit_webhook: WebhookSettings | None = None
    """Where to take audit events from the API server's webhook."""

    trusts_stamp: bool = False
    """Whether an admission policy stamps every write with its user."""

    annotation_keys: Mapping[str, str] = field(default_factory=dict)
    """Which annotations hold a ticket, approver, commit or pipeline, by role."""

    sealer: Seals | None = None
    """Seals the originals of pod templates with secrets; None leaves them unkept."""


def streams_of(namespaces: Sequence[str]) -> list[Stream]:
    """A stream for each kind and namespace; cluster-scoped kinds have one."""
    scopes = namespaces or ("*",)
    return [
        Stream(kind, scope) for kind in KINDS for scope in (scopes if kind.namespaced else ("*",))
    ]


async def record(
    settings: Settings,
    target: Target,
    stop: asyncio.Event,
    *,
    health: str = "",
    watchdog: Watchdog | None = None,
) -> None:
    """Record until `stop` is set; then everything seen is in the log, and a stream-stop with it.

    Meanwhile `health` (HOST:PORT) answers for it, and `watchdog` hears of every append.

    Raises ConfigurationInvalid, ClusterUnreachable and Forbidden before anything is written;
    OtherCluster and KeyMismatch when the log is not this cluster's or not under a key we hold.
    """
    watchdog = watchdog or Watchdog()
    shown = Shown(watchdog.late)
    with showing(health, shown), ExitStack() as opened:
        hooks: list[AuditSource] = []
        if target.audit_webhook:
            hook = AuditWebhook.open(target.audit_webhook)
            opened.callback(hook.close)
            hooks.append(hook)
        await _record(settings, target, stop, _Beside(shown, watchdog, hooks))


@dataclass(frozen=True, slots=True)
class _Beside:
    """What goes on beside the watch."""

    shown: Shown
    watchdog: Watchdog
    hooks: Sequence[AuditSource]


async def _record(settings: Settings, target: Target, stop: asyncio.Event, beside: _Beside) -> None:
    ring = KeyRing.open_or_create(settings.keys, now=utc_now())
    alarms = Alarms()
    keeping = Safekeeping(target.sealer, alarms.unsealed) if target.sealer else None
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
            redactor = Redactor(target.policy, key_id, key, target.rules)
            observer = Observer(identity, secrets.token_hex(4), redactor, resume.epoch)
            observer.alarm = alarms.tell
            if keeping is not None:
                keeping.know(resume.sealed)
                keeping.know(await sealed_before(log, settings.ledger_path))
                observer.originals = keeping
            observer.trusts_stamp = target.trusts_stamp
            observer.namespaces = target.namespaces
            observer.annotation_keys = target.annotation_keys
            tails = [AuditTail(f, resume.audit.get(str(f))) for f in target.audit_files]
            sources = [*beside.hooks, *tails]
            watcher = Watcher(cluster, log, observer, streams, resume.cursors, sources)
            watcher.outbox.watchdog = beside.watchdog
            if keeping is not None:
                _tell_again(watcher, keeping.sealer.key_id)
            _show(watcher, settings, beside.shown)
            await watcher.run(stop)
        finally:
            await log.close()
    finally:
        await cluster.close()


def _tell_again(watcher: Watcher, sealing_key: str) -> None:
    """What was told before originals were sealed to these recipients may soon be pruned."""
    for stream in watcher.observers:
        standing = watcher.standings.get(stream.stream.key, Standing())
        holds_templates = stream.stream.kind in (STATEFUL_SETS, CONTROLLER_REVISIONS)
        stream.wants_list = holds_templates and standing.sealing_key != sealing_key


async def sealed_before(log: Log, path: Path) -> list[str]:
    """Ids of the sealed originals that a ledger at `path` has found in this very log; none where
    there is no such ledger: they are then sealed once more.
    """
    try:
        rows = LocalReader(path).query("sealed_originals", {"limit": str(KNOWN)})
        if not rows:
            return []
        newest = rows[0]
        [record] = await log.read(Position(newest["position"] - 1), 1)
        is_same = read_sealed(record.value).id == sealed_id(
            newest["template_digest"], newest["key_id"]
        )
    except (LedgerError, ValueError):
        return []
    return [sealed_id(row["template_digest"], row["key_id"]) for row in rows] if is_same else []


def _show(watcher: Watcher, settings: Settings, shown: Shown) -> None:
    from ledger.metrics import Exposition, of_watcher

    files = [settings.log_file] if settings.log_address.startswith("sqlite:") else []
    shown.metrics = Exposition(partial(of_watcher, watcher, files))
    shown.not_ready = partial(not_ready, watcher)


def not_ready(watcher: Watcher) -> list[str]:
    """Each stream that has no complete list yet, and the log when it takes no records."""
    unlisted = [
        f"{stream.stream.key}: {stream.state}" for stream in watcher.observers if not stream.cursor
    ]
    return unlisted + ([watcher.outbox.refusal] if watcher.outbox.refusal else [])


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
