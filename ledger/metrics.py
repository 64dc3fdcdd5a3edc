"""What a running process shows of itself, as Prometheus reads it.

The only user of prometheus_client. Nothing is counted here: each scrape reads what the watcher, the
outbox, the ledger and the files know of themselves, so the pure core never hears of metrics. Every
exposition has a registry of its own. Names are the ones of docs/operations.md; no label is a pod, a
revision or a namespace, but for a stream's own scope.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from ledger import __version__
from ledger.errors import LedgerError
from ledger.log.sqlite import LogFile
from ledger.model import parse_timestamp
from ledger.reader import LocalReader
from ledger.watcher import Watcher

READY_RECORDS = 10_000
"""A consumer that is no further behind is ready: it catches up within seconds."""

Families = Callable[[], Iterable[Metric]]


@dataclass(slots=True)
class Consuming:
    """A consumer as it shows itself: its two files, and what it has counted."""

    log_file: Path
    ledger: Path
    errors: Counter[str] = field(default_factory=Counter)
    """Records that were rejected, by the projection that did."""

    unread: int = 0
    """Records of the topic that were not in `log_file` when it was last asked; 0 without one."""

    refusal: str = ""
    """Why the topic cannot be read at present; empty while it can."""

    def not_ready(self) -> list[str]:
        """Why what the ledger shows is not the log as it is, but for the last `READY_RECORDS`."""
        if self.refusal:
            return [self.refusal]
        try:
            lag, _ = self.standing()
        except LedgerError as wrong:
            return [wrong.message]
        return [f"{lag} records are not folded yet"] if lag > READY_RECORDS else []

    def standing(self) -> tuple[int, Mapping[str, float]]:
        """How many records wait to be folded, and what the ledger says of itself.

        Raises LedgerError when one of the files cannot be read.
        """
        with LogFile.open(self.log_file, writable=False) as log_file:
            head = log_file.head()
        [found] = LocalReader(self.ledger).query("metrics/ledger", {})
        return max(0, head - found["position"]) + self.unread, found


class Exposition:
    """Metrics as text, made when asked for."""

    def __init__(self, families: Families) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(families))
        ProcessCollector(registry=self._registry)

    def __call__(self) -> bytes:
        """The text exposition format, version 0.0.4."""
        return generate_latest(self._registry)


def of_watcher(watcher: Watcher, files: Iterable[Path]) -> Iterator[Metric]:
    """What a watcher knows; `files` are those of its log."""
    observer, streams = watcher.observer, watcher.observers
    yield _counter("events", "Records written.", "type", observer.written)
    restarts = sum((Counter(dict(stream.restarts)) for stream in streams), Counter[str]())
    yield _counter("watch_restarts", "Watches that ended.", "reason", restarts)
    heard = GaugeMetricFamily(
        "ledger_watch_last_event_timestamp_seconds",
        "When the API server last said anything on a stream.",
        labels=["kind", "scope"],
    )
    for stream in streams:
        if stream.seen_at:
            seconds = parse_timestamp(stream.seen_at).timestamp()
            heard.add_metric([stream.stream.kind.plural, stream.stream.scope], seconds)
    yield heard
    yield _total("withheld", "Payloads withheld.", observer.withheld)
    if observer.originals is not None:
        told = "Originals that could not be sealed."
        yield _total("unsealed", told, observer.originals.standing["failed"])
    yield _gauge("outbox_records", "Records waiting for the log.", watcher.outbox.waiting)
    if watcher.api.skew_seconds is not None:
        told = "How far the API server's clock is ahead of ours."
        yield _gauge("clock_skew_seconds", told, watcher.api.skew_seconds)
    yield from _audit(watcher)
    yield from _common(files)


def _audit(watcher: Watcher) -> Iterator[Metric]:
    """What came in by each audit source, and what was refused there."""
    events = CounterMetricFamily(
        "ledger_audit_events",
        "Audit events, and refused requests for the webhook.",
        labels=["source", "outcome"],
    )
    heard = GaugeMetricFamily(
        "ledger_audit_last_event_timestamp_seconds",
        "When a source last brought an audit event.",
        labels=["source"],
    )
    for source in watcher.sources:
        for outcome, count in sorted(dict(source.told.counts).items()):
            events.add_metric([source.name, outcome], count)
        if source.told.heard_at:
            heard.add_metric([source.name], source.told.heard_at.timestamp())
    yield from (events, heard) if watcher.sources else ()


def of_consumer(consuming: Consuming) -> Iterator[Metric]:
    """What a consumer knows. What its files cannot tell just now is left out."""
    try:
        lag, found = consuming.standing()
    except LedgerError:
        # /readyz says why; a scrape goes on showing the rest.
        pass
    else:
        yield _gauge("projection_lag_events", "Records not folded yet.", lag)
        told = "Seconds in which a stream was not watched."
        yield _total("recording_gap_seconds", told, found["gap_seconds"])
        yield _total("dead_letters", "Records that cannot be read.", found["dead_letters"])
    told = "Records that a projection rejected."
    yield _counter("projection_errors", told, "projection", consuming.errors)
    yield from _common((consuming.log_file, consuming.ledger))


def merged(texts: Mapping[str, str]) -> bytes:
    """Several processes' expositions as one: each sample says with `part` whose it is."""
    families: dict[str, Metric] = {}
    for part, text in texts.items():
        for family in text_string_to_metric_families(text):
            whole = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                whole.samples.append(sample._replace(labels={"part": part, **sample.labels}))
    registry = CollectorRegistry()
    registry.register(_Collector(lambda: list(families.values())))
    return generate_latest(registry)


class _Collector:
    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def describe(self) -> Iterable[Metric]:
        # Names are not asked for in advance: a registry of our own has nothing to collide with.
        return ()


def _common(files: Iterable[Path]) -> Iterator[Metric]:
    size = GaugeMetricFamily("ledger_db_size_bytes", "Size of a database file.", labels=["file"])
    for path in files:
        for each in (path, path.with_name(f"{path.name}-wal")):
            try:
                size.add_metric([each.name], each.stat().st_size)
            except OSError:
                continue
    yield size
    build = GaugeMetricFamily("ledger_build_info", "What runs here.", labels=["version"])
    build.add_metric([__version__], 1)
    yield build


def _counter(name: str, told: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"ledger_{name}", told, labels=[label])
    # Copied at once: another thread goes on counting.
    for value, count in sorted(dict(counts).items()):
        family.add_metric([value], count)
    return family


def _total(name: str, told: str, count: float) -> Metric:
    return CounterMetricFamily(f"ledger_{name}", told, value=count)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"ledger_{name}", told, value=value)
