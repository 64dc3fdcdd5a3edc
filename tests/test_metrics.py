"""What Prometheus reads: the names are a promise, the values are what was recorded."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import prometheus_client

from consumers.follow import Follower
from ledger import __version__
from ledger.log.sqlite import LogFile
from ledger.metrics import Consuming, Exposition, merged, of_consumer, of_watcher
from ledger.model import parse_timestamp
from ledger.store import Ledger
from tests.consuming import states
from tests.watching import PODS, STATEFUL_SETS, serving, watching

OWN = re.compile(r"# TYPE (ledger_\w+) (\w+)")


def families(text: str) -> dict[str, str]:
    """Our metrics, and what kind each is."""
    return dict(OWN.findall(text))


def samples(text: str, name: str) -> dict[str, float]:
    """The samples of a metric, by labels."""
    found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_a_watcher_shows_what_it_wrote_and_how_its_watches_ended(tmp_path: Path) -> None:
    file = tmp_path / "log.db"
    file.write_bytes(b"x" * 100)
    async with (
        serving(tmp_path) as (api, cluster),
        watching(cluster, [PODS, STATEFUL_SETS]) as watch,
    ):
        expose = Exposition(partial(of_watcher, watch.watcher, [file]))
        await watch.until(lambda found: ("snapshot-end", "statefulsets/*") in found)
        await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
        api.put("pods", "web-0")
        api.delete("pods", "web-0")
        await watch.until(lambda found: any(words[0] == "deleted" for words in found))
        api.forget("pods")
        api.end_watches()
        await watch.until(lambda found: ("gap", "expired-410", "closed", "pods/*") in found)
        text = expose().decode()
    assert families(text) == {
        "ledger_events_total": "counter",
        "ledger_watch_restarts_total": "counter",
        "ledger_watch_last_event_timestamp_seconds": "gauge",
        "ledger_withheld_total": "counter",
        "ledger_outbox_records": "gauge",
        "ledger_clock_skew_seconds": "gauge",
        "ledger_db_size_bytes": "gauge",
        "ledger_build_info": "gauge",
    }
    written = samples(text, "ledger_events_total")
    assert written['{type="deleted"}'] == 1
    assert written['{type="gap"}'] == 2
    assert samples(text, "ledger_watch_restarts_total")['{reason="expired-410"}'] == 1
    heard = samples(text, "ledger_watch_last_event_timestamp_seconds")
    [pods] = [s for s in watch.watcher.observers if s.stream == PODS]
    assert set(heard) == {'{kind="pods",scope="*"}', '{kind="statefulsets",scope="*"}'}
    assert heard['{kind="pods",scope="*"}'] <= parse_timestamp(pods.seen_at or "").timestamp()
    assert samples(text, "ledger_withheld_total") == {"": 0}
    assert samples(text, "ledger_db_size_bytes") == {'{file="log.db"}': 100}
    assert samples(text, "ledger_build_info") == {f'{{version="{__version__}"}}': 1}


def test_a_consumer_shows_its_lag_and_what_it_could_not_read(tmp_path: Path) -> None:
    file, path = tmp_path / "log.db", tmp_path / "ledger.db"
    with LogFile.create(file) as log, Ledger.open(path) as ledger:
        log.append([*states(0, 3), b"no record", *states(3, 6)])
        follower = Follower(log, ledger)
        expose = Exposition(partial(of_consumer, Consuming(file, path, follower.errors)))
        assert samples(expose().decode(), "ledger_projection_lag_events") == {"": 7}
        follower.step(5)
        text = expose().decode()
    assert families(text) == {
        "ledger_projection_lag_events": "gauge",
        "ledger_recording_gap_seconds_total": "counter",
        "ledger_dead_letters_total": "counter",
        "ledger_projection_errors_total": "counter",
        "ledger_db_size_bytes": "gauge",
        "ledger_build_info": "gauge",
    }
    assert samples(text, "ledger_projection_lag_events") == {"": 2}
    assert samples(text, "ledger_dead_letters_total") == {"": 1}
    assert sum(samples(text, "ledger_projection_errors_total").values()) == 1
    assert samples(text, "ledger_recording_gap_seconds_total") == {"": 0}
    assert set(samples(text, "ledger_db_size_bytes")) >= {
        '{file="log.db"}',
        '{file="ledger.db"}',
        '{file="ledger.db-wal"}',
    }


def test_a_gap_counts_from_the_last_proof_of_watching_to_its_end_or_to_now(tmp_path: Path) -> None:
    file, path = tmp_path / "log.db", tmp_path / "ledger.db"
    LogFile.create(file).close()
    with Ledger.open(path) as ledger:
        expose = Exposition(partial(of_consumer, Consuming(file, path)))
        with ledger.transaction():
            instance = ledger.add(
                "instances",
                {
                    "instance": "aaaa0001",
                    "first_seen_at": "2026-11-01T10:00:00.000000Z",
                    "last_seen_at": "2026-11-01T10:10:00.000000Z",
                    "last_sequence": 1,
                },
            )
            for number, closed_at in enumerate(("2026-11-01T10:01:30.500000Z", None)):
                gap = {
                    "id": f"aaaa0001/{number}",
                    "kind": "pods",
                    "scope": "*",
                    "cause": "expired-410",
                    "last_seen_at": "2026-11-01T10:00:00.000000Z",
                    "opened_at": "2026-11-01T10:01:00.000000Z",
                    "closed_at": closed_at,
                    "instance_id": instance,
                    "detail": "{}",
                    "position": number,
                }
                ledger.put("gaps", [gap])
            before = ledger.progress()
            ledger.advance(before, replace(before, now="2026-11-01T10:10:00.000000Z"))
        [seconds] = samples(expose().decode(), "ledger_recording_gap_seconds_total").values()
    assert round(seconds, 2) == 90.5 + 600


def test_a_consumer_without_its_files_shows_the_rest(tmp_path: Path) -> None:
    consuming = Consuming(tmp_path / "log.db", tmp_path / "ledger.db")
    text = Exposition(partial(of_consumer, consuming))().decode()
    assert "ledger_projection_lag_events" not in families(text)
    assert samples(text, "ledger_build_info") == {f'{{version="{__version__}"}}': 1}


def test_nothing_is_put_into_the_registry_that_libraries_share(tmp_path: Path) -> None:
    consuming = Consuming(tmp_path / "log.db", tmp_path / "ledger.db")
    Exposition(partial(of_consumer, consuming))()
    assert b"ledger_" not in prometheus_client.generate_latest()


def test_a_process_shows_its_memory_and_time_too(tmp_path: Path) -> None:
    text = Exposition(lambda: ())().decode()
    assert samples(text, "process_resident_memory_bytes")[""] > 1_000_000


def test_several_processes_expositions_become_one(tmp_path: Path) -> None:
    one = '# TYPE a_total counter\na_total{type="x"} 1.0\n# TYPE b gauge\nb 2.0\n'
    two = '# TYPE a_total counter\na_total{type="x"} 5.0\n'
    assert merged({"watch": one, "consume": two}).decode().splitlines() == [
        "# HELP a_total ",
        "# TYPE a_total counter",
        'a_total{part="watch",type="x"} 1.0',
        'a_total{part="consume",type="x"} 5.0',
        "# HELP b ",
        "# TYPE b gauge",
        'b{part="watch"} 2.0',
    ]


async def test_scrapes_while_the_watcher_works_never_fail(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster), watching(cluster, [PODS]) as watch:
        expose = Exposition(partial(of_watcher, watch.watcher, []))
        await watch.until(lambda found: ("snapshot-end", "pods/*") in found)

        async def scrape() -> None:
            for _ in range(100):
                assert samples((await asyncio.to_thread(expose)).decode(), "ledger_events_total")

        async with asyncio.TaskGroup() as group:
            group.create_task(scrape())
            for number in range(200):
                api.put("pods", f"web-{number}")
                await asyncio.sleep(0.001)
