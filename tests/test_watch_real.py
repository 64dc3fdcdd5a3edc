"""The watch on a real API server: a workload's life, a restart, lost history, missing rights."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ledger.cluster import Cluster
from ledger.envelope import Document
from ledger.errors import Forbidden, Unauthorized
from ledger.log.memory import MemoryLog
from ledger.model import EVENTS, KINDS, NOWHERE
from ledger.observe import Observer, Stream
from ledger.record import streams_of
from ledger.redaction import Redactor
from ledger.resume import read_resume
from ledger.watcher import Watcher
from tests.faults import row
from tests.invariants import examine
from tests.lab.cluster import Cluster as LabCluster
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.tutorial import WEB
from tests.lab.users import NOBODY, WATCHER
from tests.watching import PODS, Watching, documents, gaps, told


@asynccontextmanager
async def recording(
    lab: LabCluster, streams: Sequence[Stream], *, log: MemoryLog | None = None
) -> AsyncIterator[Watching]:
    """A watcher with the rights it asks for, at its real pace."""
    log = log or MemoryLog()
    cluster = await Cluster.connect(str(lab.kubeconfig(WATCHER)), None)
    try:
        identity = await cluster.identity()
        resume = await read_resume(log, streams, cluster=identity)
        seen_before = await log.head()
        observer = Observer(identity, f"real{seen_before + 1:04}", Redactor("secrets", "00", b"k"))
        watcher = Watcher(cluster, log, observer, streams, resume.cursors)
        stop = asyncio.Event()
        task = asyncio.create_task(watcher.run(stop))
        try:
            yield Watching(watcher, log, task)
        finally:
            if not task.done():
                stop.set()
            await task
    finally:
        await cluster.close()


def alive(rows: Sequence[Document]) -> dict[str, str]:
    """What the records say there is: the newest version of every object not deleted, by uid."""
    newest: dict[str, Document] = {}
    for document in rows:
        if document.fact not in ("state", "deleted") or "/events/" in document.subject:
            continue
        before = newest.get(document.objectuid)
        if before is None or document.version_number >= before.version_number:
            newest[document.objectuid] = document
    return {uid: row.resourceversion for uid, row in newest.items() if row.fact == "state"}


async def caught_up(watch: Watching, driver: Driver) -> None:
    """Return once the records say what the API says."""
    for _ in range(400):
        wanted = await asyncio.to_thread(driver.live_versions)
        found = alive(await documents(watch.log))
        if {uid: found.get(uid) for uid in wanted} == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"the API has {wanted}, the records {found}")


async def listed(watch: Watching, streams: Sequence[Stream]) -> None:
    """Return once every stream has a complete snapshot."""
    await watch.until(
        lambda found: all(("snapshot-end", stream.key) in found for stream in streams)
    )


async def life_of_web(driver: Driver) -> None:
    """Create, update and scale a StatefulSet."""
    await asyncio.to_thread(applied, driver, WEB)
    await asyncio.to_thread(driver.settled, "web")
    await asyncio.to_thread(driver.run, "set", "image", "sts/web", "nginx=nginx:1.25")
    await asyncio.to_thread(driver.run, "scale", "sts/web", "--replicas=2")
    await asyncio.to_thread(driver.settled, "web")


async def edited(driver: Driver, image: str) -> None:
    """Write the spec a few times; whether pods follow is the controllers' matter."""
    for number in range(3):
        await asyncio.to_thread(driver.run, "set", "image", "sts/web", f"nginx={image}.{number}")
        await asyncio.to_thread(
            driver.run, "annotate", "sts", "web", f"edit={image}.{number}", "--overwrite"
        )


async def test_a_workloads_life_is_recorded_version_by_version(driver: Driver) -> None:
    streams = streams_of([driver.namespace])
    async with recording(driver.cluster, streams) as watch:
        await listed(watch, streams)
        await life_of_web(driver)
        await caught_up(watch, driver)
        await asyncio.to_thread(driver.run, "delete", "sts", "web")
        await watch.until(lambda found: any(words[:2] == ("deleted", "web") for words in found))
        await caught_up(watch, driver)
        rows = await documents(watch.log)
    sets = [row for row in rows if row.subject.startswith("apps/statefulsets/")]
    assert [row.objectgeneration for row in sets] == sorted(row.objectgeneration for row in sets)
    assert {row.objectgeneration for row in sets} >= {1, 2, 3}
    assert all(row.data["kind"] == "StatefulSet" for row in sets)
    assert gaps(await told(watch.log)) == []
    assert {row.subject.split("/")[1] for row in rows if row.fact == "state"} >= {
        kind.plural for kind in KINDS if kind != EVENTS
    }


async def test_a_second_watcher_goes_on_where_the_first_one_ended(driver: Driver) -> None:
    streams = streams_of([driver.namespace])
    log = MemoryLog()
    async with recording(driver.cluster, streams, log=log) as watch:
        await listed(watch, streams)
        await asyncio.to_thread(applied, driver, WEB)
        await asyncio.to_thread(driver.settled, "web")
        await caught_up(watch, driver)
    await asyncio.to_thread(driver.run, "set", "image", "sts/web", "nginx=nginx:1.25")
    async with recording(driver.cluster, streams, log=log) as watch:
        await asyncio.to_thread(driver.settled, "web")
        await caught_up(watch, driver)
    marks = [row.data for row in await documents(log) if row.fact == "coverage"]
    modes = [mark["mode"] for mark in marks if mark["mark"] == "stream-start"]
    assert modes == ["listed"] * len(streams) + ["resumed"] * len(streams)
    assert gaps(await told(log)) == []


@row("W1", how="API server restarted, then killed: it remembers no history", part="real")
async def test_w01_an_api_server_that_restarts_or_crashes_loses_nothing_in_silence(
    control_plane: LabCluster,
) -> None:
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster is not ours to restart")
    streams = streams_of(())
    with ControlPlane() as own:
        own.make_volumes(6)
        driver = Driver(own, "default")
        async with recording(own, streams) as watch:
            await listed(watch, streams)
            await life_of_web(driver)
            await asyncio.to_thread(own.restart_apiserver)
            await edited(driver, "nginx:1.26")
            await caught_up(watch, driver)
            await asyncio.to_thread(own.kill_apiserver)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own.start_apiserver)
            await edited(driver, "nginx:1.27")
            await caught_up(watch, driver)
            await watch.until(lambda found: len(gaps(found)) == len(gaps(found, "closed")))
            found = await told(watch.log)
        # A restarted API server remembers no history: 410 is what it says to an older cursor.
        assert set(gaps(found)) == {"expired-410"}
        assert_generations_are_whole_or_in_a_gap(await documents(watch.log))
        examine([record.value for record in await watch.log.read(NOWHERE, 1_000_000)])


def assert_generations_are_whole_or_in_a_gap(rows: Sequence[Document]) -> None:
    """A spec write that no record shows lies between a gap's two versions."""
    sets = sorted(
        {
            (row.version_number, row.objectgeneration)
            for row in rows
            if row.subject == "apps/statefulsets/default/web"
        }
    )
    lost: list[dict[str, Any]] = [row.data for row in rows if row.fact == "gap"]
    bounds = [
        (int(gap["last_resource_version"]), int(end["next_resource_version"]))
        for gap, gap_id in zip(lost, [row.id for row in rows if row.fact == "gap"], strict=True)
        for end in lost
        if end.get("gap") == gap_id and gap["kind"] == "statefulsets"
    ]
    for (before, old), (after, new) in itertools.pairwise(sets):
        if new > old + 1:
            assert any(first <= before and after <= last for first, last in bounds)


async def test_missing_rights_and_bad_tokens_are_told_as_kubectl_does(
    control_plane: LabCluster,
) -> None:
    cluster = await Cluster.connect(str(control_plane.kubeconfig(NOBODY)), None)
    try:
        with pytest.raises(Forbidden) as caught:
            await cluster.list_page(PODS, "", limit=1)
        assert caught.value.message == (
            'Error from server (Forbidden): pods is forbidden: User "nobody" cannot list resource '
            '"pods" in API group "" at the cluster scope'
        )
        assert not await cluster.allowed("list", "", "pods")
    finally:
        await cluster.close()


async def test_a_token_that_nobody_knows_is_told_as_kubectl_does(
    control_plane: LabCluster, tmp_path: Any
) -> None:
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster's kubeconfig may hold no token")
    path = tmp_path / "kubeconfig"
    text = control_plane.kubeconfig(NOBODY).read_text()
    path.write_text(text.replace("token: ", "token: not-"))
    cluster = await Cluster.connect(str(path), None)
    try:
        with pytest.raises(Unauthorized) as caught:
            await cluster.identity()
        assert caught.value.message == "You must be logged in to the server (Unauthorized)"
    finally:
        await cluster.close()
