"""Objects and lines out of the ordinary: large ones, unknown fields, what is no object at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import row
from tests.watching import (
    PODS,
    asked,
    documents,
    gaps,
    heartbeats,
    ledger_of,
    listings,
    seen,
    serving,
    watching,
    watching_pods,
)


@row("W13", how="objects of 1.5 and 5 MB in a watch", part="fake")
@pytest.mark.parametrize("megabytes", [1.5, 5.0])
async def test_w13_a_large_object_is_recorded_whole(tmp_path: Path, megabytes: float) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        text = "x" * int(megabytes * 1024 * 1024)
        api.put("pods", "web-1", note=text)
        await watch.until(lambda found: "102" in seen(found))
        record = next(row for row in await documents(watch.log) if row.resourceversion == "102")
        assert record.data["spec"] == {"note": text}


@row("W13", how="object of 20 MB in a watch", part="fake")
async def test_w13_a_line_over_the_limit_is_a_gap_and_the_watch_goes_on(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        requests = len(api.requests("watch", "pods"))
        api.put("pods", "web-1", note="x" * (20 * 1024 * 1024))
        api.put("pods", "web-2")
        found = await watch.until(lambda found: "103" in seen(found))
        assert gaps(found) == ["line-too-long"]
        assert len(api.requests("watch", "pods")) == requests
        [gap] = [row for row in await documents(watch.log) if row.fact == "gap"]
        assert gap.data["bytes"] > 20 * 1024 * 1024
        assert len(gap.data["hmac"]) == 64
        api.objects["pods"]["default/web-1"]["spec"] = {}
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert ("listed", "web-1", "102") in found


@row("W28", how="unknown type, no object, no JSON, not UTF-8, 2,000 brackets", part="fake")
@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"SPLIT","object":{"metadata":{"resourceVersion":"102"}}}',
        b'{"type":"ADDED","object":"CANARY"}',
        b'{"type":"ADDED","object":{"metadata":{"name":"CANARY"}}}',
        b'{"type":"ADDED","object":{"metadata":null}}',
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"soon"}}}',
        b'{"type":7}',
        b'["CANARY"]',
        b"CANARY",
        b"\xff\xfe",
        b'{"type":"ADDED","object":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
async def test_w28_a_line_that_cannot_be_read_leaves_its_length_and_a_keyed_digest(
    tmp_path: Path, line: bytes
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.say("pods", line)
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "103" in seen(found))
        assert gaps(found) == ["decode"]
        [gap] = [row for row in await documents(watch.log) if row.fact == "gap"]
        assert (gap.data["bytes"], len(gap.data["hmac"])) == (len(line), 64)
        assert listings(found) == 1
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") == ["decode"])
        assert listings(found) == 2
    assert "CANARY" not in str(await documents(watch.log))


async def test_a_stream_with_a_gap_has_no_cursor_to_go_on_from(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.say("pods", b"?")
        api.put("pods", "web-1")
        await watch.until(lambda found: "103" in seen(found))
        while "gap" not in [beat["state"] for beat in await heartbeats(watch)]:
            await watch.until(lambda _: True)
    rows = await documents(watch.log)
    cursors = [beat["cursor"] for beat in await heartbeats(watch) if beat["state"] == "gap"]
    assert set(cursors) == {None}
    assert rows[-1].data["mark"] == "stream-stop"
    assert rows[-1].data["cursor"] is None


@row("W28", how="100 lines that are no JSON", part="fake")
async def test_w28_a_flood_of_unreadable_lines_is_counted(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        for number in range(100):
            api.say("pods", b"?%d" % number)
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "202" in seen(found))
        assert gaps(found) == ["decode"] * 20
        api.end_watches()
        await watch.until(lambda found: len(gaps(found, "closed")) == 20)
        closing = [row.data for row in await documents(watch.log) if row.fact == "gap"][-1]
        assert closing["counts"] == {"listed": 2, "unreadable": 100}


@row("W28", how="listed pod without a uid", part="fake")
async def test_w28_an_item_that_cannot_be_read_leaves_the_snapshot_incomplete(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "web-0")
        api.put("pods", "web-1")["metadata"]["uid"] = ""
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
            assert gaps(found) == ["decode"]
            rows = [row.data for row in await documents(watch.log)]
            assert [row["count"] for row in rows if row.get("mark") == "snapshot-end"] == [2]
            assert gaps(found, "closed") == []


@row("W14", how="a field of the future in a pod's spec", part="fake")
async def test_w14_fields_that_nobody_knows_are_kept(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1", futureField={"deep": [1, 2.5, None, True]})
        await watch.until(lambda found: "102" in seen(found))
        record = next(row for row in await documents(watch.log) if row.resourceversion == "102")
        assert record.data["spec"] == {"futureField": {"deep": [1, 2.5, None, True]}}
        assert (record.data["kind"], record.data["apiVersion"]) == ("Pod", "v1")


@row(
    "W13", how="objects of 8.2 MB, below the limit of a line, in a watch and in a list", part="fake"
)
async def test_w13_an_object_over_a_records_limit_is_withheld_and_is_a_gap(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "web-0", note="x" * 8_600_000)
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: listings(found) == 1)
            api.put("pods", "web-1", note="x" * 8_600_000)
            api.put("pods", "web-2")
            found = await watch.until(lambda found: "103" in seen(found))
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
        rows = [row for row in await documents(watch.log) if row.resourceversion in ("101", "102")]
    assert (gaps(found), listings(found)) == ([], 1)
    assert [(row.withheld, row.data) for row in rows] == [("too-large", None)] * 2
    causes = "select cause, last_version from gaps order by last_version"
    assert asked(ledger, causes) == [("too-large", 101), ("too-large", 102)]


@row("W28", how="lines of a type nobody knows around a deletion", part="fake")
async def test_w28_what_comes_around_an_unreadable_line_is_recorded(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.say("pods", b'{"type":"X"}')
        api.delete("pods", "web-0")
        api.say("pods", b'{"type":"X"}')
        found = await watch.until(lambda found: gaps(found) == ["decode", "decode"])
        assert ("deleted", "web-0", "103") in found
