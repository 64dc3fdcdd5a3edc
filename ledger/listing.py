"""One list of a stream, as it comes page by page: a snapshot in the making.

An object that the same process has already told at the same resourceVersion is only named, so that
a list that merely checks the watch costs a few bytes an object. Whether a list begins a stream or
checks it is stream.py's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ledger.envelope import Envelope
from ledger.errors import ClusterUnreachable
from ledger.observe import Observer, Stream
from ledger.standing import OpenGap

TELLING_LISTS = 24
"""The first list, and each after so many, tells every object in full, so that what the log has lost
comes back within a day.
"""


class Contradiction(ClusterUnreachable):
    """A list holds an older state than the watch had told: no history of one cluster does that, so
    it was restored from a backup.
    """


@dataclass(slots=True)
class Listing:
    """A list that has begun. `count` is how many kept objects it has named so far."""

    stream: Stream
    observer: Observer
    id: str
    version: str
    began_at: datetime
    closes: tuple[OpenGap, ...]
    after: str
    """Where the watch is, when the list only checks it; empty when the list begins one."""

    known: Mapping[str, str]
    """resourceVersion by uid, of what the same process has told."""

    tells_all: bool
    """What is known is told again."""

    count: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    """resourceVersion by uid, of every object named."""

    _unchanged: dict[str, str] = field(default_factory=dict)

    def begin(self, *, at: datetime) -> Envelope:
        """The snapshot's begin."""
        return self._mark("snapshot-begin", at, **self._checks)

    def item(self, raw_item: bytes, *, at: datetime) -> Envelope | None:
        """An item's state; None when it is none of ours, or is told already.

        Raises as Observer.state does; the item is counted then and the snapshot stays incomplete.
        Raises Contradiction for an object that is behind what the watch had told of it.
        """
        self.count += 1
        metadata = metadata_of(raw_item)
        told = self.known.get(metadata.uid, "0")
        if int(metadata.resourceVersion) < int(told) <= int(self.version):
            raise Contradiction(
                f"Error from server: it lists an object at resourceVersion "
                f"{metadata.resourceVersion} that was already at {told}"
            )
        envelope = None
        if told == metadata.resourceVersion and not self.tells_all:
            self._unchanged[metadata.uid] = metadata.resourceVersion
        else:
            envelope = self.observer.state(raw_item, kind=self.stream.kind, at=at, snapshot=self.id)
            if envelope is None:
                self.count -= 1
                return None
        self.versions[metadata.uid] = metadata.resourceVersion
        return envelope

    def page_ends(self, *, at: datetime) -> Iterator[Envelope]:
        """The versions of the page's objects that are told already, by uid, if there are any."""
        if self._unchanged:
            yield self._mark("snapshot-part", at, unchanged=self._unchanged.copy())
            self._unchanged.clear()

    def end(self, *, at: datetime) -> Envelope:
        """The snapshot's end; it says how many items could not be read, if any."""
        told: dict[str, Any] = {"count": self.count, "resource_version": self.version}
        if unreadable := self.count - len(self.versions):
            told["unreadable"] = unreadable
        return self._mark("snapshot-end", at, **told, **self._checks)

    @property
    def _checks(self) -> dict[str, str]:
        return {"after": self.after} if self.after else {}

    def _mark(self, mark: str, at: datetime, **details: Any) -> Envelope:
        return self.observer.coverage(mark, self.stream, at=at, snapshot=self.id, **details)


class _ListMetadata(msgspec.Struct):
    resourceVersion: str = ""  # noqa: N815
    continue_: str = msgspec.field(default="", name="continue")


class ListPage(msgspec.Struct):
    """One page of a list answer: its items still raw, its resourceVersion and continue token."""

    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class Metadata(msgspec.Struct):
    """What a list and a watch look at first."""

    resourceVersion: str  # noqa: N815
    uid: str = ""


class _Object(msgspec.Struct):
    metadata: Metadata


_page_decoder = msgspec.json.Decoder(ListPage)
_object_decoder = msgspec.json.Decoder(_Object)


def metadata_of(raw_object: bytes) -> Metadata:
    """An object's uid and resourceVersion.

    Raises msgspec.DecodeError when there is none, ValueError when it is not a number.
    """
    metadata = _object_decoder.decode(raw_object).metadata
    if not (metadata.resourceVersion.isascii() and metadata.resourceVersion.isdigit()):
        raise ValueError("a resourceVersion that is not a number")
    return metadata


def page_of(raw_page: bytes) -> ListPage:
    """A page of a list. Raises ClusterUnreachable when it is none."""
    try:
        page = _page_decoder.decode(raw_page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        page = None
    if page is None or not page.metadata.resourceVersion.isdigit():
        raise ClusterUnreachable("Error from server: its answer is not a list")
    return page
