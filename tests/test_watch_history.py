"""History that is lost, and what happened meanwhile: one gap, and a list that closes it."""

from __future__ import annotations

from pathlib import Path

from ledger.log.memory import MemoryLog
from tests.fake_api import (
    refusing,
)
from tests.faults import row
from tests.watching import (
    PODS,
    documents,
    gaps,
    seen,
    serving,
    told,
    watching,
    watching_pods,
)


async def test_a_watch_begins_where_the_list_ends(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1")
        api.delete("pods", "web-0")
        await watch.until(lambda found: ("deleted", "web-0", "103") in found)
    assert await told(watch.log) == [
        ("stream-start", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("listed", "web-0", "101"),
        ("snapshot-end", "pods/*"),
        ("state", "web-1", "102"),
        ("deleted", "web-0", "103"),
        ("stream-stop", "pods/*"),
    ]


@row("W1", how="history dropped, connection cut: ERROR 410 in the next watch", part="fake")
async def test_w01_lost_history_is_one_gap_and_a_list_that_closes_it(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1")
        await watch.until(lambda found: "102" in seen(found))
        api.delete("pods", "web-0")
        api.forget("pods")
        api.cut()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
    assert found[4:] == [
        ("state", "web-1", "102"),
        ("gap", "expired-410", "open", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("snapshot-part", "pods/*"),
        ("snapshot-end", "pods/*"),
        ("gap", "expired-410", "closed", "pods/*"),
    ]
    opened, closed = [row for row in await documents(watch.log) if row.fact == "gap"]
    state = next(row for row in await documents(watch.log) if row.resourceversion == "102")
    assert opened.data == {
        "cause": "expired-410",
        "state": "open",
        "kind": "pods",
        "scope": "*",
        "last_resource_version": "102",
        "last_seen_at": state.time,
    }
    assert closed.data == {
        "cause": "expired-410",
        "state": "closed",
        "kind": "pods",
        "scope": "*",
        "gap": opened.id,
        "next_resource_version": "104",
        "counts": {"listed": 1, "unreadable": 0},
    }


@row("W2", how="watch refused with HTTP 410", part="fake")
async def test_w02_lost_history_as_a_status_is_the_same_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.faults["watch", "pods"].append(refusing(410, "Expired"))
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert gaps(found) == gaps(found, "closed") == ["expired-410"]


@row("W19", how="pod deleted and made again, history dropped, connection cut", part="fake")
async def test_w19_deleted_and_made_again_in_a_gap_are_two_objects(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.delete("pods", "web-0")
        api.put("pods", "web-0")
        api.history["pods"].clear()
        api.forget("pods")
        api.cut()
        await watch.until(lambda found: gaps(found, "closed") != [])
        rows = [row for row in await documents(watch.log) if row.fact == "state"]
        assert len({row.objectuid for row in rows}) == len({row.subject for row in rows}) + 1


async def test_what_the_log_holds_can_be_read_while_it_grows(tmp_path: Path) -> None:
    log = MemoryLog()
    async with serving(tmp_path) as (api, cluster):
        async with watching(cluster, [PODS], log=log):
            pass
        api.put("pods", "web-0")
        async with watching(cluster, [PODS], log=log, instance="bbbb0002") as watch:
            await watch.until(lambda found: "101" in seen(found))
    rows = await documents(log)
    assert {row.instance for row in rows} == {"aaaa0001", "bbbb0002"}
    for instance in ("aaaa0001", "bbbb0002"):
        numbers = [row.sequence for row in rows if row.instance == instance]
        assert numbers == list(range(1, len(numbers) + 1))
