"""What an API server never told: found by a generation that jumps, or by the list within an hour,
and said as a gap.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ledger.watch import COMPARE_SECONDS
from tests.disasters import untold
from tests.fake_api import FakeApi
from tests.faults import row
from tests.watching import (
    PODS,
    STATEFUL_SETS,
    Clocks,
    Told,
    Watching,
    asked,
    documents,
    gaps,
    ledger_of,
    listings,
    seen,
    serving,
    told,
    watching,
)

GAPS = "select cause, kind, scope, last_version, next_version from gaps order by position"
DETAILS = "select detail from gaps order by position"


async def compared(
    api: FakeApi, watch: Watching, clocks: Clocks, *, stream: str = "pods/*"
) -> list[Told]:
    """What was told, once an hour has passed and the watch was checked by a list, and has gone on
    past it.
    """
    before = listings(await told(watch.log), stream)
    plural = stream.split("/")[0]
    clocks.passed_seconds += 1.2 * COMPARE_SECONDS
    api.end_watches()
    await watch.until(lambda found: listings(found, stream) > before)
    api.put(plural, "past-the-list")
    return await watch.until(lambda found: str(api.version) in seen(found))


def object_named(name: str, ledger: Path) -> tuple[Any, ...]:
    """What the ledger knows of one object's end."""
    [found] = asked(
        ledger,
        "select resource_version, deleted_how, deleted_after is not null, deleted_at is not null"
        " from objects where name = ?",
        name,
    )
    return found


@row("W20", how="a change of a set's spec told to no watch, then another one told", part="fake")
async def test_w20_a_spec_write_never_told_is_a_gap_with_the_next_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster), watching(cluster, [STATEFUL_SETS]) as watch:
        await watch.until(lambda found: listings(found, "statefulsets/*") == 1)
        api.put("statefulsets", "web")
        with untold(api, "statefulsets"):
            api.put("statefulsets", "web", replicas=2)
            api.put("statefulsets", "web", replicas=3)
        await watch.until(lambda found: "101" in seen(found))
        api.put("statefulsets", "web", replicas=4)
        found = await watch.until(lambda found: "104" in seen(found))
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert (gaps(found), listings(found, "statefulsets/*")) == ([], 1)
    assert asked(ledger, GAPS) == [("generation-jump", "statefulsets", "default", 101, 104)]
    [(detail,)] = asked(ledger, DETAILS)
    assert json.loads(detail)["missed"] == 2


@row("W20", how="a change of a set's status told to no watch", part="fake")
async def test_w20_a_status_never_told_is_found_by_the_list_within_the_hour(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    async with serving(tmp_path) as (api, cluster):
        api.put("statefulsets", "web")
        async with watching(cluster, [STATEFUL_SETS], pace=clocks.pace()) as watch:
            await watch.until(lambda found: listings(found, "statefulsets/*") == 1)
            with untold(api, "statefulsets"):
                api.report("statefulsets", "web", readyReplicas=1)
            api.put("statefulsets", "db")
            await watch.until(lambda found: "103" in seen(found))
            found = await compared(api, watch, clocks, stream="statefulsets/*")
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert ("listed", "web", "102") in found
    assert ("listed", "db", "103") not in found
    assert asked(ledger, GAPS) == [("relist-mismatch", "statefulsets", "*", 101, 103)]
    [(detail,)] = asked(ledger, DETAILS)
    assert [each["name"] for each in json.loads(detail)["objects"]] == ["web"]


@row("W20", how="the only change of an hour told to no watch", part="fake")
async def test_w20_a_change_behind_which_the_watch_never_went_is_recorded_by_the_list(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    async with serving(tmp_path) as (api, cluster):
        api.put("statefulsets", "web")
        async with watching(cluster, [STATEFUL_SETS], pace=clocks.pace()) as watch:
            await watch.until(lambda found: listings(found, "statefulsets/*") == 1)
            with untold(api, "statefulsets"):
                api.report("statefulsets", "web", readyReplicas=1)
            found = await compared(api, watch, clocks, stream="statefulsets/*")
    assert ("listed", "web", "102") in found


@row("W20", how="a new object told to no watch", part="fake")
async def test_w20_an_object_never_told_of_is_found_by_the_list_within_the_hour(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    async with (
        serving(tmp_path) as (api, cluster),
        watching(cluster, [PODS], pace=clocks.pace()) as watch,
    ):
        await watch.until(lambda found: listings(found) == 1)
        with untold(api, "pods"):
            api.put("pods", "web-0")
        api.put("pods", "web-1")
        await watch.until(lambda found: "102" in seen(found))
        await compared(api, watch, clocks)
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert asked(ledger, GAPS) == [("relist-mismatch", "pods", "*", 100, 102)]


@row("W21", how="a deletion told to no watch", part="fake")
async def test_w21_a_deletion_never_told_is_found_by_the_list_and_has_an_interval(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "web-0")
        api.put("pods", "web-1")
        async with watching(cluster, [PODS], pace=clocks.pace()) as watch:
            await watch.until(lambda found: listings(found) == 1)
            with untold(api, "pods"):
                api.delete("pods", "web-0")
            api.put("pods", "web-1")
            await watch.until(lambda found: "104" in seen(found))
            before = await ledger_of(watch.log, tmp_path / "before.db")
            await compared(api, watch, clocks)
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert object_named("web-0", before) == (101, None, 0, 0)
    assert object_named("web-0", ledger) == (101, "inferred", 1, 1)
    assert asked(ledger, GAPS) == [("relist-mismatch", "pods", "*", 102, 104)]


@row("W21", how="a deletion and the making of its successor told to no watch", part="fake")
async def test_w21_a_successor_never_told_is_another_object(tmp_path: Path) -> None:
    clocks = Clocks()
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "web-0")
        async with watching(cluster, [PODS], pace=clocks.pace()) as watch:
            await watch.until(lambda found: listings(found) == 1)
            with untold(api, "pods"):
                api.delete("pods", "web-0")
                api.put("pods", "web-0")
            api.put("pods", "web-1")
            await watch.until(lambda found: "104" in seen(found))
            await compared(api, watch, clocks)
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    ends = "select uid, deleted_how from objects where name = 'web-0' order by id"
    assert asked(ledger, ends) == [("uid-web-0-101", "inferred"), ("uid-web-0-103", None)]
    [(detail,)] = asked(ledger, DETAILS)
    assert (json.loads(detail)["changed"], json.loads(detail)["deleted"]) == (1, 1)


async def test_a_list_that_finds_nothing_new_names_what_there_is_and_is_no_gap(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    async with serving(tmp_path) as (api, cluster):
        for number in range(30):
            api.put("pods", f"web-{number}")
        async with watching(cluster, [PODS], pace=clocks.pace()) as watch:
            await watch.until(lambda found: listings(found) == 1)
            api.put("pods", "web-7")
            await watch.until(lambda found: "131" in seen(found))
            for _ in range(3):
                found = await compared(api, watch, clocks)
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
        rows = [row.data for row in await documents(watch.log) if row.fact == "coverage"]
    parts = [row["unchanged"] for row in rows if row["mark"] == "snapshot-part"]
    assert [len(part) for part in parts] == [30, 31, 31]
    assert [words[0] for words in found].count("listed") == 30
    assert asked(ledger, GAPS) == []
    assert asked(ledger, "select sum(complete), sum(compared) from snapshots") == [(4, 3)]
