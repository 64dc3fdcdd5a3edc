"""Lists that break off between their pages: a snapshot is whole or has no end."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fake_api import (
    answering,
    never,
    refusing,
)
from tests.faults import row
from tests.watching import (
    IMPATIENT,
    PODS,
    documents,
    gaps,
    listings,
    seen,
    serving,
    told,
    watching,
    watching_pods,
)


@row("W24", how="410 for the third page", part="fake")
async def test_w24_an_expired_page_begins_the_list_again_and_leaves_the_first_one_open(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.largest_page = 2
        for number in range(5):
            api.put("pods", f"web-{number}")
        api.faults["list", "pods"].extend([None, None, refusing(410, "Expired")])
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
        assert [words[0] for words in found].count("snapshot-begin") == 2
        assert gaps(found) == []
        rows = [row for row in await documents(watch.log) if row.fact != "gap"]
        begun = [
            row.data["snapshot"] for row in rows if (row.data or {}).get("mark") == "snapshot-begin"
        ]
        ended = [row.data for row in rows if (row.data or {}).get("mark") == "snapshot-end"]
        assert [(end["snapshot"], end["count"]) for end in ended] == [(begun[1], 5)]
        members = [row.snapshot for row in rows if row.snapshot]
        assert (members.count(begun[0]), members.count(begun[1])) == (4, 5)


async def test_a_list_that_breaks_off_between_two_pages_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.largest_page = 2
        for number in range(5):
            api.put("pods", f"web-{number}")
        api.faults["list", "pods"].extend([None, answering(503), answering(503)])
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
        assert [words[0] for words in found].count("snapshot-begin") == 1
        assert [words[0] for words in found].count("listed") == 5


async def test_a_list_whose_page_never_comes_never_ends_its_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path, deadlines=IMPATIENT) as (api, cluster):
        api.largest_page = 2
        for number in range(3):
            api.put("pods", f"web-{number}")
        api.faults["list", "pods"].append(None)
        api.always["list", "pods"] = never
        async with watching(cluster, [PODS]) as watch:
            while len(api.requests("list", "pods")) < 4:
                await watch.until(lambda _: True)
    assert await told(watch.log) == [
        ("stream-start", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("listed", "web-0", "101"),
        ("listed", "web-1", "102"),
        ("stream-stop", "pods/*"),
    ]


@row("W24", how="second page of another resourceVersion than the first", part="fake")
async def test_w24_pages_of_different_versions_are_not_one_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.largest_page = 1
        api.put("pods", "web-0")
        api.put("pods", "web-1")
        page = {"metadata": {"resourceVersion": "999"}, "items": []}
        wrong = answering(200, json.dumps(page), content_type="application/json")
        api.faults["list", "pods"].extend([None, wrong])
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
        assert [words[0] for words in found].count("snapshot-begin") == 2


@row("W25", how="every request of lists, watches and an hourly check looked at", part="fake")
async def test_w25_nobody_asks_for_initial_events(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1")
        api.forget("pods")
        api.cut()
        await watch.until(lambda found: gaps(found, "closed") != [])
        queries = [asked.query for asked in api.asked]
    assert len(queries) > 3
    assert not [query for query in queries if "sendInitialEvents" in query]
    assert not [query for query in queries if "resourceVersionMatch" in query]


@row("W26", how="a watch's mark of the end of initial events, unasked", part="fake")
async def test_w26_a_mark_that_ends_initial_events_ends_no_snapshot(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        marks = {"annotations": {"k8s.io/initial-events-end": "true"}, "resourceVersion": "102"}
        raw = {"kind": "Pod", "metadata": marks}
        api.say("pods", json.dumps({"type": "BOOKMARK", "object": raw}).encode())
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "103" in seen(found))
    assert (gaps(found), listings(found)) == ([], 1)
