"""Faults of what we build on, each by its number or name: that they do not reach us.

The Kafka client's are in test_known_faults_kafka.py, Datasette's (test_datasette_…) with its pages.
Where a fault is still there in the library and can be shown cheaply, it is shown, so that a release
without it is noticed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlite_utils

from ledger.cluster import Cluster
from ledger.errors import LedgerBusy
from ledger.log.sqlite import LogFile
from ledger.redaction import Redactor
from ledger.store import Ledger
from tests.fake_api import Asked, FakeApi, answering, error_line, never, saying
from tests.recorded import KEY, KEY_ID, folded
from tests.test_completeness import a_set_at, checked, gaps
from tests.test_coverage import SETS, Story, a_set, asked
from tests.watching import PODS, Watching, documents, serving, told, watching

ROOT = Path(__file__).parent.parent
OUR_MODULES = [path for folder in ("ledger", "consumers") for path in (ROOT / folder).rglob("*.py")]


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[FakeApi, Watching]]:
    """One pod, listed, and a watch that is on."""
    async with serving(folder) as (api, cluster):
        api.put("pods", "web-0")
        async with watching(cluster, [PODS]) as watch:
            while not api.requests("watch", "pods"):
                await watch.until(lambda _: True)
            yield api, watch


def watches(api: FakeApi) -> list[Asked]:
    return api.requests("watch", "pods")


async def asked_again(api: FakeApi, watch: Watching, times: int = 1) -> None:
    before = len(api.requests("watch", "pods"))
    while len(api.requests("watch", "pods")) < before + times:
        await watch.until(lambda _: True)


@pytest.mark.parametrize(
    "fault",
    [
        answering(401, "Unauthorized"),
        answering(429, "slow down", retry_after="1"),
        answering(502, "<html>\n<body>Bad Gateway</body>\n</html>", content_type="text/html"),
        answering(200, "<html>please log in</html>", content_type="text/html"),
    ],
)
async def test_kubernetes_asyncio_402_an_error_page_is_never_taken_for_events(
    tmp_path: Path, fault: object
) -> None:
    async with watched(tmp_path) as (api, watch):
        api.faults["watch", "pods"].extend([fault, fault])  # type: ignore[list-item]
        api.end_watches()
        api.put("pods", "web-1")
        found = await watch.until(lambda found: ("state", "web-1", "102") in found)
    assert [words[0] for words in found if words[0] == "gap"] == []


async def test_kubernetes_asyncio_360_a_request_that_is_never_answered_ends(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (api, watch):
        api.faults["watch", "pods"].append(never)
        api.end_watches()
        await asked_again(api, watch)
        api.put("pods", "web-1")
        await watch.until(lambda found: ("state", "web-1", "102") in found)


async def test_kubernetes_asyncio_259_the_servers_timeout_is_asked_for_and_ours_is_longer(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (api, _):
        query = api.requests("watch", "pods")[0].query
    assert 240 <= int(query["timeoutSeconds"]) <= 300


async def test_kubernetes_asyncio_silent_reconnect_waits_and_keeps_its_place(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (api, watch):
        api.always["watch", "pods"] = saying()
        api.end_watches()
        await asked_again(api, watch, times=4)
        asked = api.requests("watch", "pods")[1:]
        assert {request.query["resourceVersion"] for request in asked} == {"101"}


async def test_kubernetes_asyncio_327_history_that_is_lost_is_listed_and_never_asked_for_again(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (api, watch):
        api.forget("pods")
        api.end_watches()
        found = await watch.until(lambda found: ("gap", "expired-410", "closed", "pods/*") in found)
        while len(versions := [r.query["resourceVersion"] for r in watches(api)]) < 3:
            await watch.until(lambda _: True)
    assert found.count(("gap", "expired-410", "open", "pods/*")) == 1
    assert versions[:3] == ["101", "101", "102"]


async def test_kubernetes_asyncio_truncated_line_is_not_handed_on(tmp_path: Path) -> None:
    async with watched(tmp_path) as (api, watch):
        made = api.put("pods", "web-1")
        line = api.line("ADDED", "pods", made)
        api.history["pods"].clear()
        api.faults["watch", "pods"].append(saying(line[: len(line) // 2]))
        api.end_watches()
        await asked_again(api, watch)
        assert not any(words[0] in ("gap", "state") for words in await told(watch.log))


async def test_kubernetes_asyncio_typed_models_would_drop_fields_that_we_keep(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (api, watch):
        api.put("pods", "web-1", aFieldOfTheFuture={"deep": [1]})
        await watch.until(lambda found: ("state", "web-1", "102") in found)
        states = [row for row in await documents(watch.log) if row.fact == "state"]
    assert states[-1].data["spec"]["aFieldOfTheFuture"] == {"deep": [1]}
    watchers = [path for path in OUR_MODULES if "watch.Watch" in path.read_text()]
    assert watchers == []


async def test_kubernetes_asyncio_137_a_line_of_five_megabytes_is_read(tmp_path: Path) -> None:
    async with watched(tmp_path) as (api, watch):
        api.put("pods", "web-1", filler="x" * 5_000_000)
        await watch.until(lambda found: ("state", "web-1", "102") in found)


async def test_kubernetes_asyncio_364_a_bookmark_is_no_object(tmp_path: Path) -> None:
    async with watched(tmp_path) as (api, watch):
        api.version = 500
        api.bookmark("pods")
        api.put("pods", "web-1")
        found = await watch.until(lambda found: ("state", "web-1", "501") in found)
    assert [words for words in found if words[0] == "state"] == [("state", "web-1", "501")]


async def test_kubernetes_asyncio_257_a_rotated_token_is_read_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        await cluster.list_page(PODS, "", limit=5)
        api.tokens = {"second-token"}
        api.kubeconfig(tmp_path, user={"token": "second-token"})
        await cluster.list_page(PODS, "", limit=5)
        assert [request.token for request in api.asked][-1] == "second-token"


async def test_kubernetes_asyncio_debug_log_never_shows_a_body(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (api, cluster):
        caplog.set_level(logging.DEBUG)
        api.put("pods", "a", password="CANARY-in-a-body")
        await cluster.list_page(PODS, "", limit=5)
    assert "CANARY" not in caplog.text


def test_kubernetes_asyncio_leader_election_is_not_used() -> None:
    users = [path for path in OUR_MODULES if "leaderelection" in path.read_text().lower()]
    assert users == []


async def test_an_error_that_the_server_repeats_at_one_place_does_not_hold_the_watch(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as (api, watch):
        api.always["watch", "pods"] = saying(error_line(500, "InternalError", "broken"))
        api.end_watches()
        await watch.until(lambda found: ("gap", "watch-error", "open", "pods/*") in found)
        api.always.clear()
        await watch.until(lambda found: ("gap", "watch-error", "closed", "pods/*") in found)


def test_kubernetes_123072_a_change_that_the_watch_lost_is_found(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set_at(5, 1))
    story.state(SETS.kind, a_set_at(20, 3))
    assert [gap[0] for gap in gaps(story.values, tmp_path / "spec.db")] == ["generation-jump"]
    checked(story, 40, 20, {}, missed=a_set("u-2", 15, "db"), same=a_set_at(20, 3))
    causes = [gap[0] for gap in gaps(story.values, tmp_path / "status.db")]
    assert causes == ["generation-jump", "relist-mismatch"]


def test_kubernetes_116122_a_change_told_twice_counts_once(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set_at(5, 1))
    for _ in range(3):
        story.state(SETS.kind, a_set_at(11, 2))
    path = tmp_path / "l.db"
    assert gaps(story.values, path) == []
    dispositions = "select disposition from observations where resource_version = 11"
    assert asked(path, dispositions) == [("first",), ("duplicate",), ("duplicate",)]


def test_kubernetes_73845_the_past_replayed_changes_nothing(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set_at(5, 1))
    states = [a_set_at(10 + n, 1 + n) for n in range(1, 9)]
    for raw in [*states, *states]:
        story.state(SETS.kind, raw)
    path = tmp_path / "l.db"
    assert gaps(story.values, path) == []
    assert asked(path, "select generation from workloads") == [(9,)]


def test_kubernetes_23564_last_applied_never_leaves_the_watcher() -> None:
    manifest = json.dumps({"spec": {"password": "CANARY"}})
    name = "kubectl.kubernetes.io/last-applied-configuration"
    raw = {"metadata": {"annotations": {name: manifest}}}
    redacted = Redactor("secrets", KEY_ID, KEY).redact(raw)
    value = redacted.document["metadata"]["annotations"][name]
    assert value.startswith(f"redacted:{KEY_ID}:")


def test_sqlite_utils_atomic_is_deferred_so_ours_begins_at_once(tmp_path: Path) -> None:
    database = sqlite_utils.Database(tmp_path / "theirs.db")
    traced: list[str] = []
    database.conn.set_trace_callback(traced.append)
    with database.atomic():
        database.table("t").insert({"a": 1})
    assert any(line.lower().strip() in ("begin", "begin deferred") for line in traced)
    database.close()
    with Ledger.open(tmp_path / "ours.db") as ledger:
        traced.clear()
        ledger._connection.set_trace_callback(traced.append)
        with ledger.transaction():
            pass
        assert traced[0].lower() == "begin immediate"


def test_sqlite_utils_ignore_drops_rows_in_silence_so_ours_raises(tmp_path: Path) -> None:
    database = sqlite_utils.Database(memory=True)
    database.execute("create table t (id integer primary key, a text not null)")
    database.table("t").insert({"id": 1, "a": None}, ignore=True)
    assert database.table("t").count == 0
    database.close()
    with (
        Ledger.open(tmp_path / "ours.db") as ledger,
        pytest.raises(sqlite3.IntegrityError),
        ledger.transaction(),
    ):
        ledger.put("leaves", [{"position": 1, "entry": None}])


def test_sqlite_utils_815_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        with pytest.raises(sqlite3.IntegrityError), ledger.transaction():
            ledger.insert("leaves", [*((n, b"x") for n in range(250)), (3, b"again")])
        assert asked(tmp_path / "l.db", "select count(*) from leaves") == [(0,)]


def test_sqlite_utils_transform_is_never_used_on_a_ledger() -> None:
    users = [path for path in OUR_MODULES if ".transform(" in path.read_text()]
    assert users == []


def test_sqlite_replace_cannot_pass_the_logs_triggers(tmp_path: Path) -> None:
    with LogFile.create(tmp_path / "log.db") as log:
        log.append([b"one", b"two"])
    connection = sqlite3.connect(tmp_path / "log.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("insert or replace into records (position, value) values (0, x'00')")
    connection.close()


def test_sqlite_a_second_writer_of_a_ledger_is_told_at_once(tmp_path: Path) -> None:
    folded([], tmp_path / "l.db")
    with Ledger.open(tmp_path / "l.db"), pytest.raises(LedgerBusy):
        Ledger.open(tmp_path / "l.db")


async def test_a_client_that_is_closed_twice_is_closed(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        assert isinstance(cluster, Cluster)
        await asyncio.gather(cluster.close(), cluster.close())
