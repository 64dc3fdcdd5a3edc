"""Events per second, the naive pipeline and ours in one run: trust the ratio, not the figures.

Both read the same stream from a server in a process of its own (on the other core, where there is
one). Naive: the library's typed Watch and one sqlite-utils insert for each event. Ours: the real
watcher, the embedded log with synchronous=FULL and the real fold, in one process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumers.follow import Follower
from ledger.cluster import Cluster
from ledger.digest import ledger_digest
from ledger.log.sqlite import LogFile, SqliteLog
from ledger.model import KIND_BY_PLURAL
from ledger.observe import Observer, Stream
from ledger.redaction import Redactor
from ledger.store import Ledger
from ledger.watcher import Watcher
from tests.bench.fleet import CLUSTER, KINDS, watch_lines

EVENTS = 20_000
NAIVE_EVENTS = 1_500
HISTORY_RUNS = 11


def main() -> None:
    """Run everything and print one line for each number that design holds us to."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    lines = watch_lines(events)
    total = sum(map(len, lines.values()))
    received = sum(len(line) for rows in lines.values() for line in rows)
    with tempfile.TemporaryDirectory() as folder, server(events) as port:
        data = Path(folder)
        kubeconfig = write_kubeconfig(data, port)
        naive = asyncio.run(run_naive(kubeconfig, data))
        ours, digest = asyncio.run(run_ours(kubeconfig, data, total))
        rebuilt, same = rebuild(data, total, digest)
        report("events", total, "", f"mean {received / total:,.0f} bytes received")
        report("naive pipeline", naive, "events/s")
        note = f"{ours / naive:.1f} x naive (target 5,000 and 5 x)"
        report("watch -> log (FULL) -> ledger", ours, "events/s", note)
        digests = "digest the same" if same else "digest DIFFERS"
        report("rebuild", rebuilt, "events/s", f"{digests} (target 15,000)")
        for name in ("log", "ledger"):
            report(f"{name}.db", size(data / f"{name}.db") / total, "bytes/event")
        report("history, process time", history_ms(data), "ms", "(target 100)")
        if not same:
            sys.exit("the rebuilt ledger is another one")


def report(what: str, number: float, unit: str, note: str = "") -> None:
    """One line of the result."""
    print(f"{what:<30} {number:>9,.0f} {unit:<11}   {note}".rstrip())


async def run_naive(kubeconfig: Path, data: Path) -> float:
    """Typed models and a row at a time: what one would write first."""
    import sqlite_utils
    from kubernetes_asyncio import client, config, watch

    table = sqlite_utils.Database(data / "naive.db").table("events")
    await config.load_kube_config(config_file=str(kubeconfig))
    seen, began = 0, time.perf_counter()
    async with (
        client.ApiClient() as api,
        watch.Watch().stream(
            client.CoreV1Api(api).list_pod_for_all_namespaces, resource_version="1"
        ) as stream,
    ):
        async for event in stream:
            metadata = event["object"].metadata
            body = json.dumps(event["raw_object"])
            table.insert(
                {
                    "uid": metadata.uid,
                    "version": metadata.resource_version,
                    "name": metadata.name,
                    "body": body,
                }
            )
            seen += 1
            if seen == NAIVE_EVENTS:
                break
    return seen / (time.perf_counter() - began)


async def run_ours(kubeconfig: Path, data: Path, total: int) -> tuple[float, str]:
    """The product's own line, until every event is folded."""
    LogFile.create(data / "log.db").close()
    cluster = await Cluster.connect(str(kubeconfig), None)
    log = SqliteLog.open(str(data / "log.db"))
    observer = Observer(CLUSTER, "bench001", Redactor("secrets", "00c0ffee", b"0" * 32))
    streams = [Stream(KIND_BY_PLURAL[kind], "*") for kind in KINDS]
    stop = asyncio.Event()
    watcher = asyncio.create_task(Watcher(cluster, log, observer, streams, {}).run(stop))
    began = time.perf_counter()
    with (
        LogFile.open(data / "log.db", writable=False) as file,
        Ledger.open(data / "ledger.db") as ledger,
    ):
        follower, folded = Follower(file, ledger), 0
        while folded < total:
            folded += follower.step()
            await asyncio.sleep(0)
        seconds = time.perf_counter() - began
        stop.set()
        await watcher
        follower.catch_up()
    await cluster.close()
    await log.close()
    return total / seconds, ledger_digest(data / "ledger.db")


def rebuild(data: Path, total: int, digest: str) -> tuple[float, bool]:
    """Fold the whole log again."""
    began = time.perf_counter()
    with (
        LogFile.open(data / "log.db", writable=False) as file,
        Ledger.open(data / "again.db") as ledger,
    ):
        Follower(file, ledger).catch_up()
    seconds = time.perf_counter() - began
    return total / seconds, ledger_digest(data / "again.db") == digest


def history_ms(data: Path) -> float:
    """Median wall time of `history` of one workload, the whole process."""
    command = [sys.executable, "-m", "ledger", "history", "sts/web", "-n", "team-0"]
    times = []
    for _ in range(HISTORY_RUNS):
        began = time.perf_counter()
        subprocess.run(
            [*command, "--ledger", str(data / "ledger.db")], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1000


@contextmanager
def server(events: int) -> Iterator[int]:
    """The streaming server, in a process on the other core."""
    command = [sys.executable, "-m", "tests.bench.fleet", str(events)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(process.pid, {cores[1]})
            os.sched_setaffinity(0, {cores[0]})
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def write_kubeconfig(data: Path, port: int) -> Path:
    """A kubeconfig for the streaming server."""
    path = data / "kubeconfig"
    context = {"name": "bench", "context": {"cluster": "bench", "user": "bench"}}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
        "contexts": [context],
    }
    path.write_text(json.dumps(document))
    return path


def size(path: Path) -> int:
    """Bytes on disk, the WAL included."""
    return sum(
        file.stat().st_size for file in path.parent.glob(f"{path.name}*") if "lock" not in file.name
    )


if __name__ == "__main__":
    main()
