"""Ten thousand objects with planted secrets through the real line: none of them comes out of it."""

from __future__ import annotations

import json
import logging
import sqlite3
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.follow import Follower
from ledger.envelope import parse
from ledger.errors import RedactionFailed
from ledger.log.memory import MemoryLog
from ledger.log.sqlite import LogFile
from ledger.metrics import Consuming, Exposition, of_consumer, of_watcher
from ledger.model import KINDS, STATEFUL_SETS, parse_timestamp
from ledger.observe import Observer
from ledger.redaction import Redactor
from ledger.store import Ledger
from ledger.watcher import Watcher
from ledger.withholding import Alarms
from tests.faults import row
from tests.invariants import examine, values_of_log
from tests.planted_places import PLACES
from tests.planted_secrets import MARKS, SECRETS
from tests.planting import COMBINATIONS, Planted, planted
from tests.recorded import KEY, KEY_ID

OBJECTS = 10_000
SEED = 20261123
BEGAN = parse_timestamp("2026-11-23T12:00:00Z")


@dataclass(frozen=True)
class Recorded:
    """What the line made of the objects."""

    objects: list[Planted]
    log: Path
    ledger: Path
    values: list[bytes]
    """Every record's bytes, read back."""

    told: str
    """All that was logged meanwhile, by structlog and logging at DEBUG."""

    metrics: str


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("line")
    objects = list(planted(OBJECTS, seed=SEED))
    told = _Told()
    logging.getLogger().addHandler(told)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with capture_logs() as entries:
            log, ledger, metrics = _through(objects, folder)
    finally:
        logging.getLogger().setLevel(level)
        logging.getLogger().removeHandler(told)
    text = "\n".join([*told.lines, *map(str, entries)])
    return Recorded(objects, log, ledger, values_of_log(log), text, metrics)


def _through(objects: list[Planted], folder: Path) -> tuple[Path, Path, str]:
    """Watcher's observer, embedded log, consumer's fold; the paths of log and ledger, both still
    with the -wal of a running process, and the metrics."""
    observer = Observer("c0ffee", "feed0001", Redactor("secrets", KEY_ID, KEY))
    log_path, ledger_path = folder / "log.db", folder / "ledger.db"
    with LogFile.create(log_path) as log, Ledger.open(ledger_path) as ledger:
        follower = Follower(log, ledger)
        for start in range(0, len(objects), 500):
            sealed = [
                observer.state(one.raw, kind=one.kind, at=BEGAN + timedelta(seconds=start + i))
                for i, one in enumerate(objects[start : start + 500])
            ]
            log.append([envelope.value for envelope in sealed if envelope])
            follower.catch_up()
        watcher = Watcher(NoApi(), MemoryLog(), observer, [], {})
        metrics = Exposition(lambda: of_consumer(Consuming(log_path, ledger_path)))()
        metrics += Exposition(lambda: of_watcher(watcher, [log_path]))()
        _copy(folder, folder / "running")
    return log_path, ledger_path, metrics.decode()


class NoApi:
    """No API server: nothing is asked of it here."""

    skew_seconds = 0.5

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked for")


def _copy(folder: Path, to: Path) -> None:
    to.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())


class _Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.args} {record.exc_info}")


def marks_in(content: bytes | str) -> list[str]:
    """The secrets' own letters that are in a text or in bytes."""
    data = content if isinstance(content, bytes) else content.encode()
    return [mark for mark in MARKS if mark.encode() in data]


def test_the_plan_has_enough_kinds_in_enough_places() -> None:
    assert len(SECRETS) >= 80
    assert len(PLACES) >= 70
    assert {place.kind for place in PLACES} == set(KINDS)
    # All but: plain words that no name announces, and what a label, an id or a line cannot hold.
    assert len(COMBINATIONS) >= 5_700
    assert len({secret.name for secret, _ in COMBINATIONS}) == len(SECRETS)
    assert len({place.name for _, place in COMBINATIONS}) == len(PLACES)


def test_every_object_was_recorded_and_held_a_secret_of_its_own(line: Recorded) -> None:
    assert len(line.values) == OBJECTS
    assert len({one.secret for one in line.objects}) == OBJECTS
    assert [one.what for one in line.objects if not marks_in(one.raw)] == []
    assert [parse(value).withheld for value in line.values if b'"withheld"' in value] == []


def test_without_redaction_every_one_of_them_would_be_seen() -> None:
    observer = Observer("c0ffee", "feed0001", Redactor("off", KEY_ID, KEY))
    for one in planted(len(COMBINATIONS), seed=SEED + 3):
        sealed = observer.state(one.raw, kind=one.kind, at=BEGAN)
        assert sealed is not None
        assert marks_in(sealed.value), one.what


def test_no_part_of_a_secret_is_in_its_record(line: Recorded) -> None:
    leaks = [
        one.what
        for one, value in zip(line.objects, line.values, strict=True)
        if any(part.encode() in value for part in _parts(one.secret))
    ]
    assert leaks == []


def _parts(secret: str) -> Iterator[str]:
    """Every eighth stretch of eight letters, and the last: what is shorter betrays little."""
    for start in (*range(0, len(secret) - 8, 8), len(secret) - 8):
        yield secret[start : start + 8]


def test_nothing_of_any_secret_is_in_a_record_or_a_file(line: Recorded) -> None:
    assert [i for i, value in enumerate(line.values) if marks_in(value)] == []
    files = [path for path in line.log.parent.rglob("*") if path.is_file()]
    assert {"log.db-wal", "ledger.db-wal"} <= {path.name for path in files}
    assert {path.name: marks_in(path.read_bytes()) for path in files if path.stat().st_size} == {
        path.name: [] for path in files if path.stat().st_size
    }


def test_nothing_of_any_secret_is_in_a_row_of_the_ledger(line: Recorded) -> None:
    connection = sqlite3.connect(f"{line.ledger.as_uri()}?mode=ro", uri=True)
    try:
        dump = "\n".join(connection.iterdump())
    finally:
        connection.close()
    assert len(dump) > 1_000_000
    assert marks_in(dump) == []


def test_nothing_of_any_secret_is_in_logs_or_metrics(line: Recorded) -> None:
    assert "ledger_projection_lag_events" in line.metrics
    assert 'ledger_events_total{type="state"} 10000.0' in line.metrics
    assert marks_in(line.told) == []
    assert marks_in(line.metrics) == []


def test_tracebacks_of_a_redactor_that_fails_hold_no_secret() -> None:
    redactor = Redactor("secrets", KEY_ID, KEY)
    told = []
    for one in planted(500, seed=SEED + 1):
        with pytest.raises(RedactionFailed) as failed:
            redactor.redact(poisoned(one, redactor))
        told.append("".join(traceback.format_exception(failed.value)))
    assert len(told) == 500
    assert marks_in("\n".join(told)) == []


def poisoned(one: Planted, redactor: Redactor) -> dict[str, object]:
    """The object with two keys that redaction would make one."""
    document: dict[str, object] = json.loads(one.raw)
    secret = one.secret.replace("\n", "")
    extra = {f"token={secret}": "a", f"token={redactor.tag(secret)}": "b"}
    return document | {"zzz": extra}


@row("W33", how="objects whose keys redaction would make one", part="real")
def test_w33_what_cannot_be_examined_is_withheld_and_nothing_of_it_is_recorded(
    tmp_path: Path,
) -> None:
    redactor = Redactor("secrets", KEY_ID, KEY)
    observer = Observer("c0ffee", "feed0001", redactor, alarm=Alarms().tell)
    objects = list(planted(200, seed=SEED + 2))
    with (
        capture_logs() as alarms,
        LogFile.create(tmp_path / "log.db") as log,
        Ledger.open(tmp_path / "ledger.db") as ledger,
    ):
        for number, one in enumerate(objects):
            raw = json.dumps(poisoned(one, redactor)).encode()
            sealed = observer.state(raw, kind=one.kind, at=BEGAN + timedelta(seconds=number))
            assert sealed is not None
            log.append([sealed.value])
        Follower(log, ledger).catch_up()
        rows = ledger.rows("fold/leaf", {"position": 0})
    documents = [parse(value) for value in values_of_log(tmp_path / "log.db")]
    assert {document.withheld for document in documents} == {"redaction-failed"}
    assert {document.data for document in documents} == {None}
    assert [document.ref.subject for document in documents] == [
        parse_subject(one) for one in objects
    ]
    assert observer.withheld == len(alarms) == len(objects)
    assert not any(mark in str(alarms) for mark in MARKS)
    assert rows
    examine(tmp_path / "log.db", tmp_path / "ledger.db", secrets=MARKS)


def parse_subject(one: Planted) -> str:
    """The subject of a planted object's record."""
    metadata = json.loads(one.raw)["metadata"]
    where = f"{metadata['namespace']}/" if one.kind.namespaced else ""
    return f"{one.kind.subject_prefix}/{where}{metadata['name']}"


def test_the_level_beside_a_secret_can_still_be_read(line: Recorded) -> None:
    texts = [value.decode() for value in line.values if b"LOG_LEVEL" in value]
    assert len(texts) > 500
    assert all('{"name":"LOG_LEVEL","value":"info"}' in text for text in texts)
    assert STATEFUL_SETS in {one.kind for one in line.objects}
