"""A TCP proxy that can fall silent: what a broken network looks like from inside.

It forwards until it is told to hold one direction back. Connections stay open meanwhile, and nobody
is told.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType


class Proxy:
    """Stands between a client and `target`, at `port`, inside `async with`."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.requests_pass = asyncio.Event()
        self.answers_pass = asyncio.Event()
        self._held: list[asyncio.Event] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Proxy:
        self.heal()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence(self) -> None:
        """Nothing passes any more."""
        self.requests_pass.clear()
        self.answers_pass.clear()

    def swallow_answers(self) -> None:
        """Requests arrive, answers do not."""
        self.answers_pass.clear()

    def hold_requests(self) -> None:
        """Requests do not arrive any more; answers do."""
        self.requests_pass.clear()

    def let_new_pass(self) -> None:
        """What is sent over connections made from now on passes; older ones are still held."""
        self._held.append(self.requests_pass)
        self.requests_pass = asyncio.Event()
        self.requests_pass.set()

    def cut(self) -> None:
        """Every connection is closed, without a goodbye to either side's requests."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def heal(self) -> None:
        """Everything passes, also what was held back."""
        for held in self._held:
            held.set()
        self.requests_pass.set()
        self.answers_pass.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, their_writer}
        for source, sink, gate in (
            (reader, their_writer, self.requests_pass),
            (their_reader, writer, self.answers_pass),
        ):
            task = asyncio.create_task(_forward(source, sink, gate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _forward(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event
) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await source.read(65536):
            await gate.wait()
            sink.write(chunk)
            await sink.drain()
    sink.close()
