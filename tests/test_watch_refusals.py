"""Answers that refuse: waited out as told; only a right that is gone is a gap."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.fake_api import (
    answering,
    error_line,
    never,
    refusing,
    saying,
)
from tests.faults import row
from tests.watching import (
    IMPATIENT,
    PODS,
    SPEED,
    VOLUMES,
    documents,
    gaps,
    listings,
    seen,
    serving,
    told,
    watching,
    watching_pods,
)


@row("W7", how="watch answered 429, Retry-After: 40, text body", part="fake")
async def test_w07_a_busy_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.faults["watch", "pods"].append(answering(429, "slow down", retry_after="40"))
        asked, began = len(api.requests("watch", "pods")), time.monotonic()
        api.end_watches()
        while len(api.requests("watch", "pods")) < asked + 2:
            await watch.until(lambda _: True)
        assert (time.monotonic() - began) * SPEED >= 40
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


@row(
    "W8",
    how="list or watch answered twice with HTML, 503, 500, an ERROR line, or never",
    part="fake",
)
@pytest.mark.parametrize(
    "fault",
    [
        answering(502, "<html>\n<body>\nbusy\n", content_type="text/html"),
        answering(200, "<html>\n<body>\nlog in\n", content_type="text/html"),
        answering(503, "no endpoints"),
        refusing(500, "InternalError"),
        saying(error_line(500, "InternalError", "etcd request timed out")),
        never,
    ],
)
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_w08_an_error_is_waited_out_and_is_neither_a_record_nor_a_gap(
    tmp_path: Path, fault: Any, verb: str
) -> None:
    async with serving(tmp_path, deadlines=IMPATIENT) as (api, cluster):
        api.put("pods", "web-0")
        api.faults[verb, "pods"].extend([fault, fault])
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: listings(found) == 1)
            api.put("pods", "web-1")
            await watch.until(lambda found: "102" in seen(found))
        assert await told(watch.log) == [
            ("stream-start", "pods/*"),
            ("snapshot-begin", "pods/*"),
            ("listed", "web-0", "101"),
            ("snapshot-end", "pods/*"),
            ("state", "web-1", "102"),
            ("stream-stop", "pods/*"),
        ]


@row("W9", how="token refused until the kubeconfig has another", part="fake")
async def test_w09_expired_credentials_are_read_again_without_a_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.tokens = {"second-token"}
        api.end_watches()
        while api.asked[-1].token in api.tokens or len(api.asked) < 6:
            await watch.until(lambda _: True)
        api.kubeconfig(tmp_path, user={"token": "second-token"})
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


@row("W10", how="403 for persistentvolumes from the start", part="fake")
async def test_w10_a_forbidden_kind_is_a_gap_and_the_others_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.forbidden.add("persistentvolumes")
        async with watching(cluster, [PODS, VOLUMES], heartbeat_seconds=5.0) as watch:
            await watch.until(lambda found: gaps(found) == ["forbidden"])
            api.put("pods", "web-0")
            await watch.until(lambda found: "101" in seen(found))
            asked = len(api.requests("list", "persistentvolumes"))
            while len(api.requests("list", "persistentvolumes")) < asked + 2:
                await watch.until(lambda _: True)
            rows = [row.data for row in await documents(watch.log) if row.fact == "coverage"]
            beats = [row for row in rows if row["mark"] == "heartbeat"]
            states = [entry["state"] for entry in beats[-1]["streams"]]
            assert states == ["live", "forbidden"]
            api.forbidden.clear()
            found = await watch.until(lambda found: gaps(found, "closed") != [])
            assert gaps(found) == gaps(found, "closed") == ["forbidden"]
            assert found.index(("snapshot-end", "persistentvolumes/*")) < len(found) - 1


@row("W10", how="two watches answered 403", part="fake")
async def test_w10_a_right_that_is_missed_for_a_moment_is_no_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.faults["watch", "pods"].extend([refusing(403, "Forbidden"), refusing(403, "Forbidden")])
        api.end_watches()
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


@row("W10", how="403 for pods after they were watched, then no more", part="fake")
async def test_w10_a_right_that_is_taken_away_is_a_gap_from_when_it_was_last_used(
    tmp_path: Path,
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.forbidden.add("pods")
        api.end_watches()
        await watch.until(lambda found: gaps(found) == ["forbidden"])
        [gap] = [row for row in await documents(watch.log) if row.fact == "gap"]
        assert gap.data["last_resource_version"] == "101"
        api.put("pods", "web-1")
        api.forbidden.clear()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert ("listed", "web-1", "102") in found
