"""A process may hold what it works on, never a whole list or a whole log."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from ledger.answers import TooLarge
from ledger.errors import ClusterUnreachable
from ledger.log.sqlite import LogFile
from ledger.redaction import Redactor
from tests.fake_api import FakeApi
from tests.line import environment
from tests.recorded import KEY, KEY_ID
from tests.watching import PODS, serving

OBJECTS = 10_000
LARGE_FIRST = 60
LARGE_EACH = 150
LARGE_LINES = 9_500
"""About 1 MB."""

LIMIT_BYTES = 256 * 1024 * 1024
PATIENCE_SECONDS = 200

MEASURE = """
import resource, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
sys.exit(code)
"""
"""Started from a small process, since a child's peak begins with that of its parent."""


def pod(number: int) -> bytes:
    """A Pod of a StatefulSet; the first ones are about 1 MB, and some after them."""
    name, lines = f"web-{number}", []
    if number < LARGE_FIRST or number % LARGE_EACH == 0:
        lines = [f"{line} of {number}: {'rolled out ' * 8}" for line in range(LARGE_LINES)]
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{number}",
        "resourceVersion": str(number + 1),
        "labels": {"statefulset.kubernetes.io/pod-name": name},
    }
    container = {"name": "web", "args": lines}
    return json.dumps({"metadata": metadata, "spec": {"containers": [container]}}).encode()


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """A command of ours, in a group of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MEASURE, sys.executable, "-m", "ledger", *arguments),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, int, str]:
    """The exit code, the peak of resident memory in bytes, and what it printed."""
    told, _ = await process.communicate()
    *lines, peak = told.decode().splitlines()
    return process.returncode, int(peak), "\n".join(lines)


async def until_recorded(process: asyncio.subprocess.Process, path: Path) -> None:
    """Every object is in the log."""
    while process.returncode is None:
        if path.exists():
            with LogFile.open(path, writable=False) as log:
                if log.head() >= OBJECTS:
                    return
        await asyncio.sleep(0.2)
    raise AssertionError(f"it ended with {process.returncode}")


@pytest.mark.timeout(2 * PATIENCE_SECONDS)
async def test_a_long_list_of_large_objects_is_recorded_and_folded_in_bounded_memory(
    tmp_path: Path,
) -> None:
    api, data = FakeApi(version=OBJECTS + 1), tmp_path / "data"
    api.many["pods"] = OBJECTS, pod
    await api.start()
    kubeconfig = str(api.kubeconfig(tmp_path))
    watch = await started("watch", "--data", str(data), "--kubeconfig", kubeconfig)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await until_recorded(watch, data / "log" / "log.db")
    finally:
        os.killpg(watch.pid, signal.SIGTERM)
        code, peak, _ = await ended(watch)
        await api.stop()
    assert code == 0
    assert peak < LIMIT_BYTES
    limits = [int(asked.query["limit"]) for asked in api.requests("list", "pods")]
    # 250, 125 and 62 large objects were more than was read; 31 were not.
    assert limits[:4] == [250, 125, 62, 31]
    async with asyncio.timeout(PATIENCE_SECONDS):
        code, peak, told = await ended(await started("consume", "--once", "--data", str(data)))
    assert code == 0
    assert int(told.split()[0]) > OBJECTS
    assert peak < LIMIT_BYTES


async def test_a_page_that_is_too_large_is_given_up_and_fewer_items_can_be_asked_for(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.many["pods"] = 40, lambda number: b'"%s"' % (b"x" * 1024 * 1024)
        with pytest.raises(TooLarge):
            await cluster.list_page(PODS, "", limit=32)
        page = json.loads(await cluster.list_page(PODS, "", limit=16))
        assert (len(page["items"]), page["metadata"]["continue"]) == (16, "16")


async def test_one_object_that_is_too_large_is_no_answer_of_an_api_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.many["pods"] = 1, lambda number: b'"%s"' % (b"x" * 33 * 1024 * 1024)
        with pytest.raises(ClusterUnreachable) as wrong:
            await cluster.list_page(PODS, "", limit=1)
    assert wrong.value.message == (
        "Error from server: its answer is larger than any object of Kubernetes"
    )


def test_what_the_redactor_has_learnt_is_let_go_of_at_once() -> None:
    redactor = Redactor("secrets", KEY_ID, KEY)
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            redactor.redact({"args": [f"{number} line {line}" for line in range(10_000)]})
        held = sum(
            isinstance(each, dict) and "args" not in each and len(each) > 50_000
            for each in gc.get_objects()
        )
    finally:
        gc.enable()
    assert held <= 1
