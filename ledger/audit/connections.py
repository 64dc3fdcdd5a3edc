"""Who gets as far as speaking HTTP to the webhook: TLS first, few strangers, none for long.

A client that has not yet shown who it is costs a connection and nothing else. When there are too
many of them the one that has waited longest goes: whoever has credentials shows them at once.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

STRANGERS = 32
STRANGER_SECONDS = 10.0
"""From being accepted, through the handshake, to the headers that say who it is."""

BREATH_SECONDS = 0.5
"""Before trying again to accept, when the system has no file descriptors left."""

Factory = Callable[[], asyncio.BaseProtocol]


@dataclass(slots=True)
class Connections:
    """Accepts connections and counts those that it ends, as `handshake`, `silent` and `crowded`."""

    listener: socket.socket
    tls: Callable[[], ssl.SSLContext]
    """Gives what a connection is to be secured with now."""

    factory: Factory
    """Makes the protocol that serves a connection."""

    counts: Counter[str]
    _strangers: dict[asyncio.BaseProtocol, _Stranger] = field(default_factory=dict)

    async def accept(self) -> None:
        """Accept until cancelled; then those who are still strangers are cut off."""
        loop = asyncio.get_running_loop()
        self.listener.setblocking(False)
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    client, _ = await loop.sock_accept(self.listener)
                except ConnectionError:
                    continue
                except OSError:
                    await asyncio.sleep(BREATH_SECONDS)
                    continue
                stranger = _Stranger()
                stranger.task = group.create_task(self._serve(client, stranger))

    def know(self, protocol: asyncio.BaseProtocol) -> None:
        """This connection's client has shown who it is."""
        if protocol in self._strangers:
            self._strangers[protocol].is_known.set()

    async def _serve(self, client: socket.socket, stranger: _Stranger) -> None:
        protocol = self.factory()
        self._strangers[protocol] = stranger
        if len(self._strangers) > STRANGERS:
            self._strangers.pop(next(iter(self._strangers))).leave()
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(STRANGER_SECONDS):
                transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: protocol, client, ssl=self.tls()
                )
                await stranger.is_known.wait()
            transport = None
        except TimeoutError:
            self.counts["silent"] += 1
        except asyncio.CancelledError:
            if not stranger.is_crowded_out:
                raise
            self.counts["crowded"] += 1
        except OSError:
            # ssl.SSLError is one: no certificate that we would take, no TLS, or nothing more.
            self.counts["handshake"] += 1
        finally:
            self._strangers.pop(protocol, None)
            if transport is not None:
                transport.abort()
            elif not stranger.is_known.is_set():
                client.close()


@dataclass(slots=True)
class _Stranger:
    is_known: asyncio.Event = field(default_factory=asyncio.Event)
    is_crowded_out: bool = False
    task: asyncio.Task[None] | None = None

    def leave(self) -> None:
        self.is_crowded_out = True
        if self.task is not None:
            self.task.cancel()
