"""Clocks that are wrong or jump, the watcher's and the server's: order is the server's versions',
and the difference is told.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.doctor import examine
from ledger.settings import Settings
from tests.faults import row
from tests.watching import (
    STATEFUL_SETS,
    Clocks,
    asked,
    documents,
    gaps,
    ledger_of,
    listings,
    seen,
    serving,
    watching,
)

SETS = STATEFUL_SETS.key


def told_skew(data: dict[str, Any]) -> bool:
    """A heartbeat that says how far the clocks are apart."""
    return data.get("mark") == "heartbeat" and data["skew_seconds"] is not None


@row("W31", how="watcher's wall clock jumps by hours between changes", part="fake")
@pytest.mark.parametrize("hours", [(2, -2), (-2, 2), (0, -48)])
async def test_w31_a_clock_that_jumps_changes_no_order_and_makes_no_gap(
    tmp_path: Path, hours: tuple[int, int]
) -> None:
    clocks = Clocks()
    async with (
        serving(tmp_path) as (api, cluster),
        watching(cluster, [STATEFUL_SETS], pace=clocks.pace(), heartbeat_seconds=2.0) as watch,
    ):
        await watch.until(lambda found: listings(found, SETS) == 1)
        for number, hour in enumerate((0, *hours)):
            clocks.wrong = timedelta(hours=hour)
            api.put("statefulsets", "web", replicas=number)
            await watch.until(lambda found: str(api.version) in seen(found))
        api.end_watches()
        api.delete("statefulsets", "web")
        found = await watch.until(lambda found: "104" in seen(found))
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert (gaps(found), listings(found, SETS)) == ([], 1)
    states = "select resource_version, generation from set_states order by resource_version"
    assert asked(ledger, states) == [(101, 1), (102, 2), (103, 3)]
    assert asked(ledger, "select deleted_version, deleted_how from objects") == [(104, "observed")]


@row("W31", how="Date of the server's answers an hour ahead, and a minute behind", part="fake")
@pytest.mark.parametrize("seconds", [3_600, -60])
async def test_w31_how_far_the_servers_clock_is_ahead_is_told_and_recorded(
    tmp_path: Path, seconds: int
) -> None:
    async with serving(tmp_path) as (api, cluster):
        there = datetime.now(UTC) + timedelta(seconds=seconds)
        api.date = format_datetime(there, usegmt=True)
        async with watching(cluster, [STATEFUL_SETS], heartbeat_seconds=2.0) as watch:
            await watch.until(lambda found: listings(found, SETS) == 1)
            while not (beats := [row for row in await documents(watch.log) if told_skew(row.data)]):
                await watch.until(lambda _: True)
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert abs(beats[-1].data["skew_seconds"] - seconds) < 5
    [(skew_seconds,)] = asked(ledger, "select skew_seconds from coverage")
    assert abs(skew_seconds - seconds) < 5
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir(exist_ok=True)
    await asyncio.to_thread(ledger.rename, settings.ledger_path)
    findings = await examine(settings, kubeconfig=str(tmp_path / "none"), context=None)
    [found] = [found for found in findings if found.check == "clock"]
    assert found.state == "warning"
    assert found.detail == f"the API server's clock is {skew_seconds:+.1f} s from the watcher's"


@row("W31", how="answers without a Date, or with one that is none", part="fake")
@pytest.mark.parametrize("date", ["soon", "Thu, 99 Foo 2026 00:00:00 GMT", "0"])
async def test_w31_a_date_that_is_none_is_no_skew(tmp_path: Path, date: str) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.date = date
        async with watching(cluster, [STATEFUL_SETS], heartbeat_seconds=2.0) as watch:
            await watch.until(lambda found: listings(found, SETS) == 1)
            api.put("statefulsets", "web")
            await watch.until(lambda found: "101" in seen(found))
    assert not [row for row in await documents(watch.log) if told_skew(row.data)]
