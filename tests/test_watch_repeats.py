"""An API server that tells its past again."""

from __future__ import annotations

from pathlib import Path

from tests.fake_api import (
    saying,
)
from tests.faults import row
from tests.watching import (
    asked,
    documents,
    gaps,
    ledger_of,
    listings,
    seen,
    watching_pods,
)


@row("W22", how="a watch that tells all of history again", part="fake")
async def test_w22_a_server_that_repeats_its_past_does_not_move_the_cursor_back(
    tmp_path: Path,
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        for _ in range(20):
            api.put("pods", "web-1")
        await watch.until(lambda found: "121" in seen(found))
        past = [line for _, line in api.history["pods"]]
        api.faults["watch", "pods"].append(saying(*past))
        api.end_watches()
        before = len(api.requests("watch", "pods"))
        while len(api.requests("watch", "pods")) < before + 2:
            await watch.until(lambda _: True)
        versions = [each.query["resourceVersion"] for each in api.requests("watch", "pods")]
        assert versions[-2:] == ["121", "121"]
        rows = [row for row in await documents(watch.log) if row.resourceversion == "121"]
        assert len({row.id for row in rows}) == 1
        assert len(rows) == 2


@row("W22", how="a watch that tells the last 100 lines of history again", part="fake")
async def test_w22_the_last_hundred_again_count_once_and_raise_nothing_from_the_dead(
    tmp_path: Path,
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        for number in range(120):
            api.put("pods", f"web-{number % 4}", number=number)
        api.delete("pods", "web-3")
        api.put("pods", "web-2", number=-1)
        await watch.until(lambda found: str(api.version) in seen(found))
        past = [line for _, line in api.history["pods"]][-100:]
        api.faults["watch", "pods"].append(saying(*past))
        api.end_watches()
        api.put("pods", "web-0", last=True)
        found = await watch.until(lambda found: str(api.version) in seen(found))
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    assert (gaps(found), listings(found)) == ([], 1)
    assert len([words for words in found if words[0] in ("state", "deleted")]) == 223
    newest = "select name, resource_version, deleted_how from objects order by name"
    assert asked(ledger, newest) == [
        ("web-0", 224, None),
        ("web-1", 219, None),
        ("web-2", 223, None),
        ("web-3", 222, "observed"),
    ]
