"""Takes audit events from the API server's batch webhook (`--audit-webhook-config-file`).

A batch is answered only once its records are in the log, so the API server keeps what we do not
have: whatever goes wrong here, it sends again. It speaks TLS to a client that has shown a token or
a certificate, or does not start; of anybody else's request no byte of the body is looked at.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from aiohttp import web

from ledger.audit.connections import Connections
from ledger.audit.credentials import Credentials, WebhookSettings
from ledger.audit.source import Door, Told
from ledger.health import listening
from ledger.observe import Observer
from ledger.outbox import Outbox
from ledger.pace import Pace

LIMIT_BYTES = 32 * 1024 * 1024
"""The API server's own batches are of 400 events; those of large objects come to some MB."""

WAITING = 4
"""So many batches may wait for the log at a time; others are told to come again."""

ANSWER_SECONDS = 25.0
"""From the first byte of the body to the answer; the API server waits for 30 s."""

RETRY_SECONDS = 2
"""What a client that comes too early is told to wait: client-go does, up to ten times."""

IDLE_SECONDS = 180.0
"""A connection without a request is closed; the API server closes its own after 90 s."""

LINGER_SECONDS = 2.0
"""So long a client that was refused may go on sending, to get as far as reading the answer."""

ENDING_SECONDS = 0.1

Headers = Mapping[str, str]
NO_HEADERS: Headers = {}
LATER: Headers = {"Retry-After": str(RETRY_SECONDS)}

_log = structlog.get_logger("ledger.audit")


class _EventList(msgspec.Struct):
    kind: str
    items: list[msgspec.Raw] | None


_decoder = msgspec.json.Decoder(_EventList)


@dataclass(slots=True)
class AuditWebhook:
    """One receiver. Counts events, and requests and connections that were refused, by outcome."""

    address: str
    listener: socket.socket
    credentials: Credentials
    told: Told = field(default_factory=Told)

    @classmethod
    def open(cls, settings: WebhookSettings) -> AuditWebhook:
        """Listen already, and answer once `run` is awaited.

        Raises ConfigurationInvalid for certificates, tokens and addresses that cannot be used, and
        where it would let anybody in; UsageError for what is no address.
        """
        credentials = Credentials.read(settings)
        listener = listening(settings.address, option="--audit-webhook")
        return cls(settings.address, listener, credentials)

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"webhook:{self.address}"

    def close(self) -> None:
        """Listen no more."""
        self.listener.close()

    def entry(self) -> dict[str, Any]:
        """Where it listens, and the counts."""
        return {"webhook": self.address, "counts": dict(self.told.counts)}

    async def run(self, observer: Observer, outbox: Outbox, pace: Pace) -> None:
        """Answer until cancelled."""
        receiving = _Receiving(self, Door(observer, self.told), outbox, pace)
        server = web.Server(
            receiving.answer,
            request_factory=_request,
            access_log=None,
            logger=_quiet(self.told),
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            # A body is taken as it is: a small one must not become a large one in memory.
            auto_decompress=False,
        )
        receiving.connections = Connections(
            self.listener, self.credentials.tls, server, self.told.counts
        )
        try:
            await receiving.connections.accept()
        finally:
            # Who still waits for an answer sends it again.
            await server.shutdown(ENDING_SECONDS)


@dataclass(slots=True)
class _Receiving:
    """What is done with one request after the other."""

    webhook: AuditWebhook
    door: Door
    outbox: Outbox
    pace: Pace
    connections: Connections | None = None
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WAITING))

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Status 200 once all that is kept of the batch is in the log."""
        if not self._may_tell(request):
            return self._refused(401, "unauthorized", {"WWW-Authenticate": "Bearer"})
        if self.connections is not None:
            self.connections.know(request.protocol)
        if request.method != "POST":
            return self._refused(405, "method", {"Allow": "POST"})
        if (request.content_length or 0) > LIMIT_BYTES:
            return self._refused(413, "oversize")
        if self.room.locked():
            return self._refused(503, "busy", LATER)
        async with self.room:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await self._taken(request)
            except TimeoutError:
                return self._refused(503, "late", LATER)

    async def _taken(self, request: web.BaseRequest) -> web.Response:
        try:
            raw_events = _decoder.decode(await request.read())
            if raw_events.kind != "EventList":
                raise ValueError("another kind of document")
        except web.HTTPRequestEntityTooLarge:
            return self._refused(413, "oversize")
        except (msgspec.DecodeError, ValueError, RecursionError, OSError, web.RequestPayloadError):
            return self._refused(400, "malformed")
        for raw_event in raw_events.items or ():
            if self.outbox.is_full:
                await self.outbox.room()
            envelope = self.door.take(bytes(raw_event), at=self.pace.now())
            if envelope is not None:
                self.outbox.put(envelope)
            # A batch of large events takes a while to redact; others have their turn meanwhile.
            await asyncio.sleep(0)
        await self.outbox.kept()
        return web.Response(status=200)

    def _may_tell(self, request: web.BaseRequest) -> bool:
        """Whoever has shown a certificate of our authority, or has the token."""
        if request.transport is not None and request.transport.get_extra_info("peercert"):
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.webhook.credentials.opens(given.strip())

    def _refused(self, status: int, outcome: str, headers: Headers = NO_HEADERS) -> web.Response:
        if self.webhook.told.count(outcome):
            _log.warning("a batch of audit events was refused", status=status, outcome=outcome)
        answer = web.Response(status=status, headers=headers)
        # Its body may still be on the way, and nobody reads it.
        answer.force_close()
        return answer


def _request(
    message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=LIMIT_BYTES
    )


def _quiet(told: Told) -> logging.Logger:
    """What is no HTTP is refused by aiohttp itself and told to its logger alone, with a quotation
    of what the client sent: it is counted, and the quotation kept from the terminal.
    """
    logger = logging.Logger("ledger.audit.http")
    handler = _Counting()
    handler.told = told
    logger.addHandler(handler)
    return logger


class _Counting(logging.Handler):
    told: Told

    def emit(self, record: logging.LogRecord) -> None:
        self.told.count("malformed")
