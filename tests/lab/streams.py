"""Lists and watches the kept kinds as the watcher's user and hands over every byte.

This is the recorder's ear: it parses lines only to know how far it has heard, and
changes nothing. The product's own watch loop is elsewhere and shares no code.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.lab.api import RESOURCES, Api

WATCH_SECONDS = 3600
SELECTORS = {"events": "&fieldSelector=involvedObject.kind%3DStatefulSet"}

Heard = Callable[[str, str, str], None]
"""Called with ("list" or "watch", stream, verbatim text)."""


@dataclass
class Streams:
    """The list and watch of every kind, and the versions heard so far."""

    api: Api
    heard: Heard
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each stream, the last resourceVersion of every object that exists, by uid."""

    async def follow(self, listed: asyncio.Event) -> None:
        """List every kind, set `listed`, then watch until cancelled."""
        connector = aiohttp.TCPConnector(ssl=self.api.tls)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(
            self.api.server, headers=self.api.headers, connector=connector, timeout=timeout
        ) as session:
            started = {stream: await self._list(session, stream) for stream in RESOURCES}
            listed.set()
            async with asyncio.TaskGroup() as tasks:
                for stream, version in started.items():
                    tasks.create_task(self._watch(session, stream, version))

    async def _list(self, session: aiohttp.ClientSession, stream: str) -> str:
        """Hand over one list and return its resourceVersion."""
        selector = SELECTORS.get(stream, "").replace("&", "?")
        async with session.get(f"{RESOURCES[stream]}/{stream}{selector}") as response:
            response.raise_for_status()
            text = await response.text()
        self.heard("list", stream, text)
        found = json.loads(text)
        items = [item["metadata"] for item in found["items"]]
        self.versions[stream] = {row["uid"]: row["resourceVersion"] for row in items}
        return str(found["metadata"]["resourceVersion"])

    async def _watch(self, session: aiohttp.ClientSession, stream: str, version: str) -> None:
        """Hand over every line of one watch; it must not end before we do."""
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}"
        query += f"&resourceVersion={version}{SELECTORS.get(stream, '')}"
        async with session.get(f"{RESOURCES[stream]}/{stream}?{query}") as response:
            response.raise_for_status()
            async for line in _lines(response):
                self.heard("watch", stream, line)
                self._note(stream, json.loads(line))
        raise ConnectionError(f"the watch of {stream} ended")

    def _note(self, stream: str, raw: dict[str, Any]) -> None:
        """Remember how far this line brought us."""
        metadata = raw["object"].get("metadata", {})
        match raw["type"]:
            case "ADDED" | "MODIFIED":
                self.versions[stream][metadata["uid"]] = metadata["resourceVersion"]
            case "DELETED":
                self.versions[stream].pop(metadata["uid"], None)
            case "ERROR":
                raise ConnectionError(f"the watch of {stream} failed: {raw['object']}")


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """The lines of a body however long they are, without their newlines."""
    rest = b""
    async for chunk in response.content.iter_any():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line.decode()
