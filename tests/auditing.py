"""A real `watch` process on a fake API server, with an audit webhook over TLS and an audit log."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ledger.envelope import Document, parse
from ledger.log.sqlite import LogFile
from ledger.model import NOWHERE
from ledger.settings import Settings
from tests.fake_api import FakeApi
from tests.lab.certificates import authority_and_serving_certificate
from tests.lab.process import free_ports
from tests.line import environment

TOKEN = "0123456789abcdef-token"
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass
class Audited:
    """The process, and ways to bring events to it and to see what became of them."""

    folder: Path
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession
    webhook: str
    health: str
    tls: ssl.SSLContext

    @property
    def settings(self) -> Settings:
        """Its data folder."""
        return Settings(self.folder / "data")

    @property
    def audit_log(self) -> Path:
        """The file that it follows."""
        return self.folder / "audit.log"

    @property
    def output(self) -> Path:
        """What it has written to stdout and stderr."""
        return self.folder / "watch.out"

    async def send(self, body: bytes, *, token: str = TOKEN) -> int:
        """The webhook's answer to a body; 0 when it cut the connection instead."""
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self.session.post(
                self.webhook, data=io.BytesIO(body), headers=headers
            ) as answer:
                return answer.status
        except aiohttp.ClientOSError:
            return 0

    async def metrics(self) -> str:
        """All its metrics."""
        async with self.session.get(f"{self.health}/metrics") as answer:
            return await answer.text()

    async def counted(self, outcome: str, count: int) -> None:
        """Return when so many had this outcome, all sources together."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            told = await self.metrics()
            found = [
                float(line.rpartition(" ")[2])
                for line in told.splitlines()
                if line.startswith("ledger_audit_events_total{") and f'outcome="{outcome}"' in line
            ]
            if sum(found) >= count:
                return
            assert time.monotonic() < deadline, told
            await asyncio.sleep(POLL_SECONDS)

    def audit_records(self) -> list[Document]:
        """The audit records that are in its log now."""
        found, after = list[Document](), NOWHERE
        with LogFile.open(self.settings.log_file, writable=False) as log:
            while records := log.read(after, 5_000):
                found += [parse(record.value) for record in records]
                after = records[-1].position
        return [each for each in found if each.fact == "audit"]


@asynccontextmanager
async def audited(folder: Path) -> AsyncIterator[Audited]:
    """The process, once it answers; it is ended in order on the way out."""
    authority, pair = authority_and_serving_certificate()
    for name, text in (
        ("ca", authority), ("crt", pair.certificate), ("key", pair.key), ("token", TOKEN),
    ):  # fmt: skip
        (folder / name).write_text(text)
    api = FakeApi()
    await api.start()
    hook, health = free_ports(2)
    with (folder / "watch.out").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ledger", "watch", "--data", str(folder / "data")),
            *("--kubeconfig", str(api.kubeconfig(folder)), "--health", f"127.0.0.1:{health}"),
            *("--audit-log", str(folder / "audit.log"), "--audit-webhook", f"127.0.0.1:{hook}"),
            *("--audit-webhook-cert", str(folder / "crt")),
            *("--audit-webhook-key", str(folder / "key")),
            *("--audit-webhook-token-file", str(folder / "token")),
            stdout=output,
            stderr=output,
            env=environment() | {"HOME": str(folder)},
        )
    tls = ssl.create_default_context(cafile=str(folder / "ca"))
    connector = aiohttp.TCPConnector(ssl=tls)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            places = f"https://127.0.0.1:{hook}/", f"http://127.0.0.1:{health}"
            running = Audited(folder, process, session, *places, tls)
            await _ready(running)
            yield running
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        await api.stop()


async def _ready(running: Audited) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            async with running.session.get(f"{running.health}/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        assert running.process.returncode is None, running.output.read_text()
        assert time.monotonic() < deadline, running.output.read_text()
        await asyncio.sleep(POLL_SECONDS)


def spent(process_id: int) -> tuple[float, float]:
    """Seconds of CPU that a process has used, and the most memory it had, in MiB (proc(5))."""
    of_process = Path(f"/proc/{process_id}")
    fields = (of_process / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    [peak] = [
        int(line.split()[1])
        for line in (of_process / "status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return ticks / os.sysconf("SC_CLK_TCK"), peak / 1024
