"""Takes audit events from the API server's batch webhook (`--audit-webhook-config-file`).

A batch is answered only once its records are in the log, so the API server keeps what we do not
have: whatever goes wrong here, it sends again. It speaks TLS to a client that has shown a token or
a certificate, or does not start.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog
from aiohttp import web

from ledger.audit.source import Door
from ledger.errors import ConfigurationInvalid
from ledger.health import listening
from ledger.observe import Observer
from ledger.outbox import Outbox
from ledger.pace import Pace

LIMIT_BYTES = 32 * 1024 * 1024
"""The API server's own batches are bounded by 400 events of at most some hundred KB."""

WAITING = 4
"""So many batches may wait for the log at a time; others are told to come again."""

ANSWER_SECONDS = 25.0
"""The API server gives an answer 30 s."""

_log = structlog.get_logger("ledger.audit")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to listen, as whom, and whom to let in."""

    address: str
    certificate: Path
    key: Path
    token_file: Path | None = None
    client_ca: Path | None = None


class _EventList(msgspec.Struct):
    kind: str
    items: list[msgspec.Raw]


_decoder = msgspec.json.Decoder(_EventList)


@dataclass(slots=True)
class AuditWebhook:
    """One receiver. Counts events, and requests that were refused, by outcome."""

    address: str
    _socket: socket.socket
    _tls: ssl.SSLContext
    _token: str
    _counts: Counter[str]
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITING))

    @classmethod
    def open(cls, settings: WebhookSettings) -> AuditWebhook:
        """Listen already, and answer once `run` is awaited.

        Raises ConfigurationInvalid for certificates, tokens and addresses that cannot be used, and
        where it would let anybody in; UsageError for what is no address.
        """
        counts: Counter[str] = Counter()
        tls, token = tls_of(settings, counts), _token(settings)
        opened = listening(settings.address, option="--audit-webhook")
        return cls(settings.address, opened, tls, token, counts)

    @property
    def counts(self) -> Mapping[str, int]:
        """Events so far, by outcome."""
        return self._counts

    def entry(self) -> dict[str, Any]:
        """Where it listens, and the counts."""
        return {"webhook": self.address, "counts": dict(self._counts)}

    async def run(self, observer: Observer, outbox: Outbox, pace: Pace) -> None:
        """Answer until cancelled."""
        door = Door(observer, self._counts)

        async def receive(request: web.Request) -> web.Response:
            return await self._receive(request, door, outbox, pace)

        app = web.Application(client_max_size=LIMIT_BYTES)
        app.router.add_post("/{path:.*}", receive)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket, ssl_context=self._tls).start()
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _receive(
        self, request: web.Request, door: Door, outbox: Outbox, pace: Pace
    ) -> web.Response:
        if not _may_tell(request, self._token):
            return self._refused(401, "unauthorized")
        if self._room.locked():
            return self._refused(503, "busy")
        async with self._room:
            try:
                raw_events = _decoder.decode(await request.read())
                if raw_events.kind != "EventList":
                    raise ValueError(raw_events.kind)
            except web.HTTPRequestEntityTooLarge:
                return self._refused(413, "oversize")
            except (msgspec.DecodeError, UnicodeError, ValueError, RecursionError):
                return self._refused(400, "malformed")
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._keep(raw_events.items, door, outbox, pace)
            except TimeoutError:
                return self._refused(503, "late")
        return web.Response(status=200)

    async def _keep(
        self, raw_events: list[msgspec.Raw], door: Door, outbox: Outbox, pace: Pace
    ) -> None:
        for raw_event in raw_events:
            if outbox.is_full:
                await outbox.room()
            envelope = door.take(bytes(raw_event), at=pace.now())
            if envelope is not None:
                outbox.put(envelope)
            # A batch of large events takes a while to redact; others have their turn meanwhile.
            await asyncio.sleep(0)
        await outbox.kept()

    def _refused(self, status: int, outcome: str) -> web.Response:
        self._counts[outcome] += 1
        _log.warning("a batch of audit events was refused", status=status, outcome=outcome)
        return web.Response(status=status)


def tls_of(settings: WebhookSettings, counts: Counter[str]) -> ssl.SSLContext:
    """The TLS side of a receiver. Raises ConfigurationInvalid where it would let anybody in."""
    if settings.token_file is None and settings.client_ca is None:
        raise ConfigurationInvalid(
            "the audit webhook would take events from anybody",
            hint="give --audit-webhook-token-file or --audit-webhook-client-ca",
        )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        tls.load_cert_chain(settings.certificate, settings.key)
        if settings.client_ca is not None:
            tls.load_verify_locations(settings.client_ca)
            tls.verify_mode = ssl.CERT_OPTIONAL if settings.token_file else ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as wrong:
        raise ConfigurationInvalid(
            f"the audit webhook's certificates cannot be used: {wrong}",
            hint="--audit-webhook-cert and --audit-webhook-key are PEM files",
        ) from wrong

    class Handshakes(ssl.SSLObject):
        """Counts the clients that do not get past the handshake: asyncio says nothing of them."""

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLWantReadError:
                raise
            except ssl.SSLError:
                counts["handshake"] += 1
                raise

    tls.sslobject_class = Handshakes
    return tls


def _token(settings: WebhookSettings) -> str:
    if settings.token_file is None:
        return ""
    try:
        token = settings.token_file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as wrong:
        raise ConfigurationInvalid(f"the audit webhook's token cannot be read: {wrong}") from wrong
    if len(token) < 16:
        raise ConfigurationInvalid(
            f"the audit webhook's token in {settings.token_file} is too short",
            hint="use 16 characters or more, such as `openssl rand -hex 32` gives",
        )
    return token


def _may_tell(request: web.Request, token: str) -> bool:
    """Whoever has shown a certificate of our authority, or has the token."""
    if request.transport is not None and request.transport.get_extra_info("peercert"):
        return True
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_bearer = bool(token) and scheme.lower() == "bearer"
    return is_bearer and hmac.compare_digest(given.strip().encode(), token.encode())
