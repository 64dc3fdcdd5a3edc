"""A watcher that was away: what it finds when it comes back, and what another one saw meanwhile."""

from __future__ import annotations

from pathlib import Path

from ledger.log.memory import MemoryLog
from ledger.reader import LocalReader
from tests.fake_api import refusing
from tests.faults import row
from tests.watching import (
    PODS,
    STATEFUL_SETS,
    asked,
    documents,
    gaps,
    ledger_of,
    listings,
    seen,
    serving,
    values,
    watching,
)


@row("W17", how="watcher stopped, changes within history, started again", part="fake")
async def test_w17_away_for_less_than_history_is_no_gap(tmp_path: Path) -> None:
    log = MemoryLog()
    async with serving(tmp_path) as (api, cluster):
        async with watching(cluster, [PODS, STATEFUL_SETS], log=log) as watch:
            await watch.until(lambda found: listings(found) == 1)
            await watch.until(lambda found: listings(found, "statefulsets/*") == 1)
        for number in range(20):
            api.put("pods", f"web-{number % 3}")
            api.put("statefulsets", "web", replicas=number)
        api.delete("pods", "web-0")
        async with watching(cluster, [PODS, STATEFUL_SETS], log=log, instance="bbbb0002") as watch:
            found = await watch.until(lambda found: {"140", "141"} <= seen(found))
    assert (gaps(found), listings(found)) == ([], 1)
    assert seen(found) == {str(version) for version in range(101, 142)}


@row("W18", how="pod deleted, history dropped, connection cut", part="fake")
async def test_w18_a_deletion_in_a_gap_has_an_interval_and_the_last_state_seen(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "web-0", image="a")
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: listings(found) == 1)
            api.put("pods", "web-0", image="b")
            api.put("pods", "web-1")
            await watch.until(lambda found: "103" in seen(found))
            api.delete("pods", "web-0")
            api.forget("pods")
            api.cut()
            found = await watch.until(lambda found: gaps(found, "closed") != [])
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
            rows = await documents(watch.log)
    last = next(row.time for row in rows if row.resourceversion == "103")
    [(version, how, after, at)] = asked(
        ledger,
        "select resource_version, deleted_how, deleted_after, deleted_at from objects"
        " where name = 'web-0'",
    )
    [(opened_at, closed_at)] = asked(ledger, "select opened_at, closed_at from gaps")
    assert gaps(found) == ["expired-410"]
    assert (version, how) == (102, "inferred")
    assert after <= last <= opened_at <= at <= closed_at
    assert asked(ledger, "select deleted_how from objects where name = 'web-1'") == [(None,)]


@row("W19", how="pod deleted and made again, history dropped, connection cut", part="fake")
async def test_w19_the_one_deleted_in_a_gap_and_its_successor_are_two_in_the_ledger(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("statefulsets", "web")
        async with watching(cluster, [STATEFUL_SETS]) as watch:
            await watch.until(lambda found: listings(found, "statefulsets/*") == 1)
            api.delete("statefulsets", "web")
            api.put("statefulsets", "web", replicas=7)
            api.forget("statefulsets")
            api.cut()
            await watch.until(lambda found: gaps(found, "closed") != [])
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    ends = "select uid, resource_version, deleted_how from objects order by uid"
    assert asked(ledger, ends) == [
        ("uid-web-101", 101, "inferred"),
        ("uid-web-103", 103, None),
    ]
    generations = "select object_id, generation from set_states order by resource_version"
    assert asked(ledger, generations) == [(1, 1), (2, 1)]


@row("W29", how="two watchers of one log, one with a connection that loses history", part="fake")
async def test_w29_a_gap_of_one_watcher_is_covered_by_the_other_and_nothing_counts_twice(
    tmp_path: Path,
) -> None:
    log = MemoryLog()
    async with (
        serving(tmp_path) as (api, cluster),
        watching(cluster, [PODS], log=log, heartbeat_seconds=10.0) as one,
    ):
        await one.until(lambda found: listings(found) == 1)
        async with watching(
            cluster, [PODS], log=log, instance="bbbb0002", heartbeat_seconds=10.0
        ) as other:
            await other.until(lambda found: listings(found) == 2)
            api.put("pods", "web-0")
            await other.until(lambda found: found.count(("state", "web-0", "101")) == 2)
            api.faults["watch", "pods"].append(refusing(410, "Expired"))
            api.end_watches()
            found = await other.until(lambda found: gaps(found, "closed") != [])
            api.put("pods", "web-1")
            await other.until(lambda found: found.count(("state", "web-1", "102")) == 2)
            beats = len(await values(log))
            while len(await values(log)) < beats + 6:
                await other.until(lambda _: True)
            ledger = await ledger_of(log, tmp_path / "ledger.db")
    [gap] = LocalReader(ledger).query("not_recorded", {"since": "", "until": ""})
    assert (gaps(found), gap["cause"], gap["covered"]) == (["expired-410"], "expired-410", 1)
    counted = "select count(*) from observations where disposition = 'first'"
    assert asked(ledger, counted + " and object_id is not null") == [(2,)]
    instances = asked(ledger, "select instance from instances order by instance")
    assert instances == [("aaaa0001",), ("bbbb0002",)]
