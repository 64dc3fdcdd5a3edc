"""What a running service answers: alive, ready, and to nobody's cost."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from consumers.serve import Tree
from ledger.envelope import Envelope
from ledger.errors import ConfigurationInvalid, LogUnreachable, UsageError
from ledger.health import CONNECTIONS, Shown, listening, showing
from ledger.log.memory import MemoryLog
from ledger.log.sqlite import LogFile
from ledger.metrics import READY_RECORDS, Consuming
from ledger.model import Position
from ledger.record import not_ready
from ledger.store import Ledger
from tests.consuming import states
from tests.fake_api import refusing
from tests.line import environment
from tests.watching import PODS, STATEFUL_SETS, serving, watching
from tests.web_ledger import served

PATIENCE_SECONDS = 20


def get(address: str, path: str) -> tuple[int, Any]:
    """Status, and the body: JSON where it is."""
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    is_json = answer.getheader("Content-Type") == "application/json"
    return answer.status, json.loads(body) if is_json else body


async def soon(true: Callable[[], bool]) -> None:
    """Return when it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_what_is_not_ready_or_hangs_is_named_with_503() -> None:
    shown = Shown(hung=lambda: ["the event loop"])
    with showing(":0", shown) as address:
        assert address.startswith("127.0.0.1:")
        assert get(address, "/livez") == (503, {"alive": False, "hung": ["the event loop"]})
        assert get(address, "/readyz?verbose") == (503, {"ready": False, "not_ready": ["starting"]})
        shown.not_ready = shown.hung = list
        assert get(address, "/livez") == (200, {"alive": True, "hung": []})
        assert get(address, "/readyz") == (200, {"ready": True, "not_ready": []})
        assert get(address, "/") == (404, "/livez\n/readyz\n/metrics\n")


def test_ipv6_and_any_other_host_may_be_named() -> None:
    with showing("[::1]:0", Shown()) as address:
        assert address.startswith("[::1]:")
        assert get(address, "/livez")[0] == 200
    with showing("0.0.0.0:0", Shown()) as address:
        assert get(address, "/livez")[0] == 200


@pytest.mark.parametrize(
    "address", ["localhost", "localhost:http", "127.0.0.1:99999", "localhost:"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError), showing(address, Shown()):
        pass


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with listening(":0") as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationInvalid) as wrong, showing(address, Shown()):
            pass
    assert wrong.value.message == f"cannot listen on {address}: Address already in use"


def test_clients_that_never_ask_are_cut_off_and_others_are_answered_then() -> None:
    with ExitStack() as stack:
        address = stack.enter_context(showing(":0", Shown()))
        host, _, port = address.rpartition(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(3 * CONNECTIONS)]
        for each in idle:
            stack.enter_context(each)
            each.settimeout(PATIENCE_SECONDS)
        idle[0].sendall(b"GET /livez HTTP/1.0\r\nX: ")
        for each in idle:
            try:
                assert each.recv(100) == b""
            except ConnectionResetError:
                continue
        assert get(address, "/livez")[0] == 200


async def test_an_answer_that_takes_for_ever_delays_nobody_elses_work() -> None:
    released = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> list[str]:
        asyncio.run_coroutine_threadsafe(released.wait(), loop).result(PATIENCE_SECONDS)
        return []

    with showing(":0", Shown(not_ready=slow)) as address:
        asking = asyncio.create_task(asyncio.to_thread(get, address, "/readyz"))
        await asyncio.sleep(0.05)
        assert (await asyncio.to_thread(get, address, "/livez"))[0] == 200
        released.set()
        assert (await asking)[0] == 200


async def test_a_watcher_is_ready_once_every_stream_has_its_first_list(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.always["list", "pods"] = refusing(403, "Forbidden")
        async with watching(cluster, [PODS, STATEFUL_SETS]) as watch:
            await watch.until(lambda found: ("snapshot-end", "statefulsets/*") in found)
            await watch.until(lambda found: ("gap", "forbidden", "open", "pods/*") in found)
            assert not_ready(watch.watcher) == ["pods/*: forbidden"]
            api.always.clear()
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            assert not_ready(watch.watcher) == []


class Unreachable(MemoryLog):
    """A log that takes nothing until it is told to."""

    is_away = True

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        if self.is_away:
            raise LogUnreachable("Kafka at broker:9092 does not answer")
        return await super().append(envelopes)


async def test_a_watcher_whose_log_takes_no_records_is_not_ready(tmp_path: Path) -> None:
    log = Unreachable()
    async with serving(tmp_path) as (_, cluster), watching(cluster, [PODS], log=log) as watch:
        await soon(lambda: not_ready(watch.watcher) == ["Kafka at broker:9092 does not answer"])
        log.is_away = False
        await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
        await soon(lambda: not not_ready(watch.watcher))


def test_a_consumer_is_ready_when_little_of_the_log_is_left(tmp_path: Path) -> None:
    file, ledger = tmp_path / "log.db", tmp_path / "ledger.db"
    consuming = Consuming(file, ledger)
    assert consuming.not_ready() == [f"there is no log at {file}"]
    with LogFile.create(file) as log:
        log.append(states(0, READY_RECORDS + 1))
        Ledger.open(ledger).close()
        assert consuming.not_ready() == [f"{READY_RECORDS + 1} records are not folded yet"]
        consuming.refusal = "Kafka at broker:9092 does not answer"
        assert consuming.not_ready() == ["Kafka at broker:9092 does not answer"]
    file.unlink()
    with LogFile.create(file) as log:
        log.append(states(0, READY_RECORDS))
    consuming.refusal = ""
    assert consuming.not_ready() == []


async def test_the_commands_answer_while_they_run(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, _):
        data, kubeconfig = tmp_path / "data", str(api.kubeconfig(tmp_path))
        with ExitStack() as stack:
            watch = started(stack, "watch", "--data", str(data), "--kubeconfig", kubeconfig)
            await ready(watch)
            consume = started(stack, "consume", "--data", str(data))
            await ready(consume)
            await measured(consume, "ledger_projection_lag_events 0.0")
            assert (await asyncio.to_thread(get, watch, "/livez"))[0] == 200


def started(stack: ExitStack, *arguments: str) -> str:
    """The address at which a command of ours answers."""
    opened = stack.enter_context(listening(":0"))
    number = opened.fileno()
    command = [sys.executable, "-m", "ledger", *arguments, f"--health=fd:{number}"]
    process = subprocess.Popen(
        command, env=environment(), pass_fds=[number], stderr=subprocess.DEVNULL
    )
    stack.enter_context(process)
    stack.callback(process.terminate)
    return f"127.0.0.1:{opened.getsockname()[1]}"


async def ready(address: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (await asyncio.to_thread(get, address, "/readyz"))[0] != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def measured(address: str, line: str) -> None:
    """Ready is not caught up: the watcher beats while the consumer is asked."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while line not in (await asyncio.to_thread(get, address, "/metrics"))[1].splitlines():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_one_address_answers_for_the_whole_tree(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, _):
        api.forbidden.add("persistentvolumes")
        kubeconfig = str(api.kubeconfig(tmp_path))
        place = ["--data", str(tmp_path / "data"), "--kubeconfig", kubeconfig]
        with listening(":0") as web:
            port = f"--port={web.getsockname()[1]}"
        with ExitStack() as stack:
            tree = started(stack, "serve", *place, port)
            reasons = ["watch: persistentvolumes/*: forbidden"]
            await told(tree, "/readyz", (503, {"ready": False, "not_ready": reasons}))
            api.forbidden.clear()
            assert await asyncio.to_thread(get, tree, "/livez") == (
                200,
                {"alive": True, "hung": []},
            )
            _, metrics = await asyncio.to_thread(get, tree, "/metrics")
            lines = metrics.splitlines()
            for part in ("watch", "consume"):
                [build] = [x for x in lines if x.startswith(f'ledger_build_info{{part="{part}"')]
                assert build.endswith(" 1.0")
            assert lines.count("# TYPE ledger_build_info gauge") == 1


async def told(address: str, path: str, expected: tuple[int, Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := await asyncio.to_thread(get, address, path)) != expected:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


def test_parts_that_do_not_answer_are_named() -> None:
    tree = Tree(("127.0.0.1", 1), {})
    assert tree.not_ready() == [
        "watch: it is not started yet",
        "consume: it is not started yet",
        "web: it does not answer yet",
    ]
    assert tree.hung() == []
    with listening(":0") as silent:
        tree.asked["watch"] = silent.getsockname()
        assert tree.hung() == ["watch: it does not answer"]
        assert tree.metrics() == b""


async def test_datasette_is_ready_while_the_ledger_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    async with served(path) as datasette:
        assert (await datasette.client.get("/-/readyz")).text == "ready\n"
        path.rename(tmp_path / "elsewhere.db")
        answer = await datasette.client.get("/-/readyz")
        assert answer.status_code == 503
        assert answer.text.startswith("the ledger cannot be read: ")
