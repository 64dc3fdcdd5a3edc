"""The audit webhook over real TLS: who is let in, what is answered when, and what it costs."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ledger.audit.connections import STRANGERS
from ledger.audit.credentials import WebhookSettings
from ledger.audit.webhook import LIMIT_BYTES, WAITING, AuditWebhook
from ledger.errors import ConfigurationInvalid
from ledger.log.memory import MemoryLog
from ledger.model import NOWHERE
from ledger.outbox import Outbox
from ledger.pace import Pace
from tests.lab.certificates import authority_and_serving_certificate
from tests.watching import documents, observer

TOKEN = "0123456789abcdef-token"
PATIENCE_SECONDS = 20


def event(**other: Any) -> dict[str, Any]:
    """An event as it stands in a webhook's list: without kind and apiVersion."""
    return {
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/shop/statefulsets/web",
        "verb": "delete",
        "user": {"username": "alice"},
        "objectRef": {
            "resource": "statefulsets",
            "namespace": "shop",
            "name": "web",
            "apiGroup": "apps",
        },
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-26T10:00:00.000000Z",
        "stageTimestamp": "2026-11-26T10:00:00.100000Z",
        **other,
    }


def batch(*events: dict[str, Any]) -> bytes:
    return json.dumps(
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": list(events)}
    ).encode()


@dataclass
class Receiver:
    """A webhook that runs, its log, and a way to send to it."""

    webhook: AuditWebhook
    log: MemoryLog
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        return int(self.webhook.listener.getsockname()[1])

    async def send(self, body: bytes, *, token: str = TOKEN, method: str = "POST") -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"https://127.0.0.1:{self.port}/"
        async with self.session.request(
            method, url, data=io.BytesIO(body), headers=headers
        ) as answer:
            return answer.status


class HeldLog(MemoryLog):
    """Keeps nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def append(self, envelopes: Any) -> Any:
        await self.free.wait()
        return await super().append(envelopes)


@pytest.fixture
def settings(tmp_path: Path) -> WebhookSettings:
    authority, pair = authority_and_serving_certificate()
    for name, text in (("ca", authority), ("crt", pair.certificate), ("key", pair.key)):
        (tmp_path / name).write_text(text)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    token = tmp_path / "token"
    return WebhookSettings("127.0.0.1:0", tmp_path / "crt", tmp_path / "key", token)


@asynccontextmanager
async def receiving(
    settings: WebhookSettings, log: MemoryLog | None = None
) -> AsyncIterator[Receiver]:
    webhook, log = AuditWebhook.open(settings), log or MemoryLog()
    outbox = Outbox(log)
    tasks = [
        asyncio.create_task(outbox.run()),
        asyncio.create_task(webhook.run(observer(), outbox, Pace())),
    ]
    tls = ssl.create_default_context(cafile=str(settings.certificate.with_name("ca")))
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Receiver(webhook, log, session)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    webhook.close()


async def count(receiver: Receiver, outcome: str, wanted: int) -> None:
    """Return when so many were counted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while receiver.webhook.told.counts[outcome] < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_batch_is_in_the_log_when_it_is_answered(settings: WebhookSettings) -> None:
    async with receiving(settings) as receiver:
        assert await receiver.send(batch(event(), event(), event(verb="get"))) == 200
        found = await documents(receiver.log)
        assert [row.data["user"] for row in found] == ["alice", "alice"]
        assert receiver.webhook.told.counts == {"kept": 2, "dropped": 1}
        assert receiver.webhook.told.heard_at is not None


async def test_nothing_is_answered_before_the_records_are_durable(
    settings: WebhookSettings,
) -> None:
    log = HeldLog()
    async with receiving(settings, log) as receiver:
        sending = asyncio.create_task(receiver.send(batch(event())))
        await count(receiver, "kept", 1)
        done, _ = await asyncio.wait({sending}, timeout=0.3)
        assert not done
        log.free.set()
        assert await sending == 200
        assert len(await log.read(NOWHERE, 10)) == 1


async def test_too_many_that_wait_are_told_to_come_again(settings: WebhookSettings) -> None:
    log = HeldLog()
    async with receiving(settings, log) as receiver:
        waiting = [asyncio.create_task(receiver.send(batch(event()))) for _ in range(WAITING)]
        await count(receiver, "kept", WAITING)
        assert await receiver.send(batch(event())) == 503
        assert receiver.webhook.told.counts["busy"] == 1
        log.free.set()
        assert await asyncio.gather(*waiting) == [200] * WAITING


async def test_a_log_that_hangs_is_answered_for_in_time(
    settings: WebhookSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.audit.webhook.ANSWER_SECONDS", 0.2)
    async with receiving(settings, HeldLog()) as receiver:
        assert await receiver.send(batch(event())) == 503
        assert receiver.webhook.told.counts["late"] == 1


@pytest.mark.parametrize(
    ("body", "token", "method", "status", "outcome"),
    [
        (batch(), "wrong-token-0123456789", "POST", 401, "unauthorized"),
        (batch(), "", "POST", 401, "unauthorized"),
        (batch(), "ünicode", "POST", 401, "unauthorized"),
        (batch(), "", "GET", 401, "unauthorized"),
        (b"", TOKEN, "GET", 405, "method"),
        (b"{", TOKEN, "POST", 400, "malformed"),
        (b'{"kind":"Event","items":[]}', TOKEN, "POST", 400, "malformed"),
        (b"[" * 100_000, TOKEN, "POST", 400, "malformed"),
        (b"\xff\xfe", TOKEN, "POST", 400, "malformed"),
        (b" " * (LIMIT_BYTES + 1), TOKEN, "POST", 413, "oversize"),
    ],
)
async def test_what_is_refused_has_its_status_and_is_counted(
    settings: WebhookSettings, body: bytes, token: str, method: str, status: int, outcome: str
) -> None:
    async with receiving(settings) as receiver:
        try:
            found = await receiver.send(body, token=token, method=method)
        except aiohttp.ClientOSError:
            # Cut off while it was still sending.
            found = status if status == 413 else 0
        assert found == status
        assert receiver.webhook.told.counts == {outcome: 1}
        assert await receiver.log.read(NOWHERE, 10) == []


async def test_events_that_cannot_be_read_are_counted_and_the_others_kept(
    settings: WebhookSettings,
) -> None:
    broken = event()
    del broken["auditID"]
    async with receiving(settings) as receiver:
        assert await receiver.send(batch(broken, event(), {"kind": "Pod"})) == 200
        assert receiver.webhook.told.counts == {"unreadable": 2, "kept": 1}


async def test_strangers_are_few_and_the_api_server_still_gets_through(
    settings: WebhookSettings,
) -> None:
    async with receiving(settings) as receiver:
        idle = [
            socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(STRANGERS + 8)
        ]
        await count(receiver, "crowded", 8)
        assert await receiver.send(batch(event())) == 200
        for each in idle:
            each.close()


async def test_a_stranger_who_says_nothing_is_cut_off(
    settings: WebhookSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.audit.connections.STRANGER_SECONDS", 0.3)
    async with receiving(settings) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)):
            await count(receiver, "silent", 1)


async def test_what_is_no_tls_is_counted(settings: WebhookSettings) -> None:
    async with receiving(settings) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port)) as plain:
            plain.sendall(b"POST / HTTP/1.1\r\n\r\n")
            await count(receiver, "handshake", 1)


async def test_a_token_that_changes_on_disk_counts_from_then_on(settings: WebhookSettings) -> None:
    assert settings.token_file is not None
    async with receiving(settings) as receiver:
        settings.token_file.write_text("another-token-0123456789")
        assert await receiver.send(batch(), token=TOKEN) == 401
        assert await receiver.send(batch(), token="another-token-0123456789") == 200
        settings.token_file.write_text("short")
        assert await receiver.send(batch(), token="another-token-0123456789") == 200


def test_it_does_not_start_where_it_would_let_anybody_in(settings: WebhookSettings) -> None:
    with pytest.raises(ConfigurationInvalid, match="from anybody"):
        AuditWebhook.open(WebhookSettings(settings.address, settings.certificate, settings.key))
