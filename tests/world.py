"""A cluster in memory that remembers everything it ever was, and serves it like an API server.

The model behind test_histories.py: random writes make the truth, `list_page` and `watch` tell it as
ledger.watch.ApiServer asks, with the troubles that world_faults.py draws. Time is the event loop's,
and the loop jumps to whatever is due next, so an hour passes in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.answers import Expired
from ledger.keep import POD_LABEL, REVISION_LABEL
from ledger.lines import LongLine
from ledger.model import Kind
from ledger.observe import Stream
from ledger.pace import Pace
from tests.world_faults import Faults, error_line

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
NAMESPACES = ("shop", "bank")
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}


class _Jumping(selectors.SelectSelector):
    """Waits by moving a clock."""

    seconds = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits and nothing is due")
        self.seconds += max(0.0, timeout)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets whose time is as fast as its tasks."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.seconds


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the truth. `generation` is 0 for kinds without one."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    change: str
    at: datetime
    raw: dict[str, Any]
    is_kept: bool = True

    def line(self) -> bytes:
        """As a watch tells it."""
        return json.dumps({"type": self.change, "object": self.raw}).encode()


@dataclass
class World:
    """The cluster. `window` is how many changes of a kind the server can still tell. A page of a
    list takes up to `slow_seconds`, so that a process may end within a list.
    """

    rng: random.Random
    faults: Faults
    kinds: Sequence[Kind]
    window: int = 1_000_000
    page_items: int = 250
    bookmark_seconds: float = 60.0
    slow_seconds: float = 0.1
    is_within_list: bool = False
    version: int = 100
    truth: list[Change] = field(default_factory=list)
    skew_seconds: float | None = None
    _history: defaultdict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    _live: dict[tuple[str, str, str], Change] = field(default_factory=dict)
    _changed: dict[str, asyncio.Event] = field(default_factory=dict)
    _lists: list[tuple[int, list[Change]]] = field(default_factory=list)
    _uids: int = 0

    @property
    def at(self) -> datetime:
        """The true time."""
        return BEGAN + timedelta(seconds=asyncio.get_running_loop().time())

    def pace(self) -> Pace:
        """The watcher's clocks: the wall clock may be wrong."""
        loop = asyncio.get_running_loop()
        return Pace(
            now=lambda: self.at + timedelta(seconds=self.faults.clock_seconds),
            monotonic=loop.time,
            random=self.rng.random,
        )

    def live(self) -> dict[str, Change]:
        """What exists now, by uid."""
        return {change.uid: change for change in self._live.values()}

    def write(self) -> None:
        """One random write."""
        kind = self.rng.choice(self.kinds)
        of_kind = [key for key in self._live if key[0] == kind.plural]
        roll = self.rng.random()
        if not of_kind or (roll < 0.25 and len(of_kind) < 12):
            self._create(kind)
        elif roll < 0.80:
            self._change(kind, self.rng.choice(of_kind), is_spec=self.rng.random() < 0.6)
        else:
            key = self.rng.choice(of_kind)
            self._delete(key)
            if self.rng.random() < 0.5:
                self._create(kind, key)

    def _create(self, kind: Kind, key: tuple[str, str, str] | None = None) -> None:
        free = [
            (kind.plural, namespace, f"web-{number}")
            for number in range(12)
            for namespace in (NAMESPACES if kind.namespaced else ("",))
            if (kind.plural, namespace, f"web-{number}") not in self._live
        ]
        key = key or self.rng.choice(free)
        self._uids += 1
        is_kept = kind.plural != "pods" or self.rng.random() < 0.9
        raw = _fresh(kind, key, f"u-{self._uids}", self.at, is_kept=is_kept)
        self._write(key, raw, "ADDED", is_kept=is_kept)

    def _change(self, kind: Kind, key: tuple[str, str, str], *, is_spec: bool) -> None:
        before = self._live[key]
        metadata = dict(before.raw["metadata"])
        if is_spec and "generation" in metadata:
            metadata["generation"] += 1
        metadata["annotations"] = {"written": str(self.version)}
        self._write(key, before.raw | {"metadata": metadata}, "MODIFIED", is_kept=before.is_kept)

    def _delete(self, key: tuple[str, str, str]) -> None:
        before = self._live[key]
        raw = before.raw | {"metadata": dict(before.raw["metadata"])}
        self._write(key, raw, "DELETED", is_kept=before.is_kept)
        del self._live[key]

    def _write(
        self, key: tuple[str, str, str], raw: dict[str, Any], change: str, *, is_kept: bool
    ) -> None:
        # Numbers are shared with all that is none of ours.
        self.version += 1 + (self.rng.randrange(5) if self.rng.random() < 0.4 else 0)
        raw["metadata"]["resourceVersion"] = str(self.version)
        plural, namespace, name = key
        metadata = raw["metadata"]
        made = Change(
            *(plural, namespace, name, metadata["uid"], self.version),
            *(metadata.get("generation", 0), change, self.at, raw, is_kept),
        )
        self._live[key] = made
        self.truth.append(made)
        self._history[plural].append(made)
        self._event(plural).set()

    def _event(self, plural: str) -> asyncio.Event:
        return self._changed.setdefault(plural, asyncio.Event())

    async def list_page(self, stream: Stream, token: str, *, limit: int) -> bytes:
        """As ledger.cluster.Cluster.list_page."""
        await self._answering()
        self.faults.refuse_list(stream, is_continued=bool(token), limit=limit)
        number, start = map(int, token.split("/")) if token else (len(self._lists), 0)
        if not token:
            items = [change for change in self._live.values() if _is_in(stream, change)]
            self._lists.append((self.version, items))
        version, items = self._lists[number]
        end = start + min(limit, self.page_items)
        metadata = {"resourceVersion": str(version)}
        self.is_within_list = end < len(items) and limit > 1
        if end < len(items):
            metadata["continue"] = f"{number}/{end}"
        raws = [self.faults.item(change.raw) for change in items[start:end]]
        await self._answering()
        return json.dumps({"metadata": metadata, "items": raws}).encode()

    async def _answering(self) -> None:
        is_slow = not self.faults.is_over and self.rng.random() < 0.3
        await asyncio.sleep(self.rng.random() * (self.slow_seconds if is_slow else 0.1))

    @asynccontextmanager
    async def watch(
        self, stream: Stream, *, resource_version: str, timeout_seconds: int
    ) -> AsyncIterator[AsyncIterator[bytes | LongLine]]:
        """As ledger.cluster.Cluster.watch."""
        await asyncio.sleep(self.rng.random() * 0.2)
        self.faults.refuse_watch(stream)
        history = self._history[stream.kind.plural]
        lost = history[-self.window - 1].version if len(history) > self.window else 0
        if int(resource_version) < lost:
            self.faults.happened["history is over"] += 1
            if self.rng.random() < 0.5:
                raise Expired("too old resource version")
        lines = self._lines(stream, int(resource_version), lost, timeout_seconds)
        try:
            yield lines
        finally:
            await lines.aclose()

    async def _lines(
        self, stream: Stream, cursor: int, lost: int, seconds: float
    ) -> Any:  # an async generator
        if cursor < lost:
            yield error_line(410)
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        bookmark = loop.time() + self.bookmark_seconds
        history = self._history[stream.kind.plural]
        while True:
            for change in [change for change in history if change.version > cursor]:
                cursor = change.version
                if not _is_in(stream, change):
                    continue
                past = [other for other in history if other.version <= cursor]
                told = self.faults.told(stream, change, [c for c in past if _is_in(stream, c)])
                for line in told.lines:
                    if self.rng.random() < 0.3:
                        await asyncio.sleep(self.rng.random() * 2)
                    yield line
                if told.ending is not None:
                    raise told.ending
                if told.ends:
                    return
            now = loop.time()
            # Numbers of other kinds move a bookmark, too: all of this stream is told up to there.
            if history and history[-1].version > cursor:
                continue
            if now >= min(bookmark, end):
                yield _bookmark(self.version)
                bookmark = now + self.bookmark_seconds
                if now < end:
                    continue
            if now >= end:
                return
            if self.faults.breaks_now():
                raise self.faults.break_off()
            await self._until_change(stream.kind.plural, min(bookmark, end) - now)

    async def _until_change(self, plural: str, seconds: float) -> None:
        changed = self._event(plural)
        changed.clear()
        try:
            async with asyncio.timeout(max(0.001, seconds)):
                await changed.wait()
        except TimeoutError:
            pass
        # Two watchers of a kind share the event: both must get to look.
        await asyncio.sleep(self.rng.random() * 0.05)


def _is_in(stream: Stream, change: Change) -> bool:
    return change.kind == stream.kind.plural and stream.namespace in (None, change.namespace)


def _bookmark(version: int) -> bytes:
    document = {"metadata": {"resourceVersion": str(version)}}
    return json.dumps({"type": "BOOKMARK", "object": document}).encode()


def _fresh(
    kind: Kind, key: tuple[str, str, str], uid: str, at: datetime, *, is_kept: bool
) -> dict[str, Any]:
    _, namespace, name = key
    metadata: dict[str, Any] = {
        "name": name,
        "uid": uid,
        "creationTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if namespace:
        metadata["namespace"] = namespace
    raw: dict[str, Any] = {"metadata": metadata}
    match kind.plural:
        case "statefulsets":
            metadata["generation"] = 1
            raw["spec"] = {"replicas": 1, "template": TEMPLATE, "selector": {}}
        case "pods":
            metadata["labels"] = {POD_LABEL: name} if is_kept else {}
        case "controllerrevisions":
            metadata["labels"] = {REVISION_LABEL: "abc"}
            raw |= {"revision": 1, "data": {"spec": {"template": TEMPLATE}}}
        case "events":
            raw["involvedObject"] = {"kind": "StatefulSet", "apiVersion": "apps/v1", "name": "web"}
    return raw
