"""What one stream's API server said, as envelopes: pages of lists, lines of watches, and what was
missed between them.

Pure: watch.py brings the bytes from a live API, replay.py from a recording. Whoever takes an
envelope from here puts it in line for the log before anything else happens; then the cursor never
speaks of more than what is in the line before it.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ledger.answers import Expired, refusal
from ledger.envelope import Envelope
from ledger.errors import ClusterUnreachable
from ledger.lines import LongLine, line_decoder
from ledger.listing import TELLING_LISTS, Contradiction, Listing, metadata_of, page_of
from ledger.model import timestamp
from ledger.observe import Observer, Stream
from ledger.standing import OpenGap, Standing

REFUSALS_BORNE = 5
"""A starting API server refuses for want of its roles: what was allowed before is tried again."""

ERRORS_BORNE = 3
"""ERROR lines, other than 410, at one cursor; only a list gets past it then."""

LINE_GAPS = 20
"""Unreadable lines that get a gap each, until a list closes them; more are only counted."""

LISTS_BEHIND = 2
"""So many quorum reads in a row behind what the same process has seen, and etcd was restored."""


@dataclass(slots=True)
class StreamObserver:
    """One stream as one watcher process sees it. `connected` is the watch loop's to set;
    `wants_list` asks for a list beside the watch.
    """

    stream: Stream
    observer: Observer
    cursor: str = ""
    gaps: list[OpenGap] = field(default_factory=list)
    connected: bool = False
    is_doubtful: bool = False
    wants_list: bool = False
    continue_token: str = ""
    unreadable: int = 0
    restarts: Counter[str] = field(default_factory=Counter)
    _epoch: int = field(init=False)
    _reached: str = ""
    _behind: int = 0
    _contradicted: int = 0
    _known: dict[str, str] = field(default_factory=dict)
    _lists: int = 0
    _told_at: str = ""
    _heard_at: datetime | None = None
    _listing: Listing | None = None
    _refusals: int = 0
    _errors: int = 0

    def __post_init__(self) -> None:
        self._epoch = self.observer.epoch

    @property
    def needs_list(self) -> bool:
        """Without a list nothing can be watched, or what was missed stays unknown."""
        return not self.cursor or bool(self.gaps) or self._is_of_the_past

    @property
    def seen_at(self) -> str | None:
        """When the API server last said anything, by this process or, before that, by the log."""
        return timestamp(self._heard_at) if self._heard_at else self._told_at or None

    @property
    def state(self) -> str:
        """`live`, `starting`, `reconnecting`, `gap` or `forbidden`."""
        if any(gap.cause == "forbidden" for gap in self.gaps):
            return "forbidden"
        if self.gaps or self._is_of_the_past:
            return "gap"
        if not self.cursor:
            return "starting"
        return "live" if self.connected else "reconnecting"

    def start(self, standing: Standing, *, at: datetime) -> Iterator[Envelope]:
        """Take up where the log ends: a stream-start, and a gap where going on is impossible."""
        self.cursor, self._told_at = standing.cursor, standing.seen_at
        self.gaps, self._reached = list(standing.gaps), standing.cursor
        self._epoch = standing.epoch or self.observer.epoch
        self.is_doubtful = bool(self.cursor)  # It may have been restored while nobody watched.
        resumes = not self.needs_list and not standing.refiltered
        mode, told = ("resumed", self._told()) if resumes else ("listed", {"cursor": None})
        yield self.observer.coverage("stream-start", self.stream, at=at, mode=mode, **told)
        if standing.refiltered:
            yield from self.lose("filter-changed", at=at)
        if self._is_of_the_past:
            yield from self.lose("rv-rollback", at=at)

    def stop(self, *, at: datetime) -> Envelope:
        """The watch ends here because it was asked to."""
        return self.observer.coverage("stream-stop", self.stream, at=at, **self._told())

    def listed(self, raw_page: bytes, *, asked_at: datetime, at: datetime) -> Iterator[Envelope]:
        """One page of a list: its states, with the snapshot's begin before the first page and its
        end after the last. `continue_token` then says what to ask for next. The snapshot begins
        when its first page was asked for: what a list names was there at some time after that.

        Raises Expired when the page belongs to another list than those before it,
        ClusterUnreachable when it is no page or contradicts what was seen.
        """
        page = page_of(raw_page)
        if self._listing is None:
            yield from self._follow_back(page.metadata.resourceVersion, at)
            self._listing = self._new_listing(page.metadata.resourceVersion, asked_at)
            yield self._listing.begin(at=asked_at)
        listing = self._listing
        if listing.version != page.metadata.resourceVersion:
            raise Expired("the pages of a list are of different versions")
        for raw_item in page.items or ():
            envelope = self._item(bytes(raw_item), listing, at)
            if envelope is not None:
                yield envelope
        yield from listing.page_ends(at=at)
        self.continue_token = page.metadata.continue_
        if not self.continue_token:
            yield from self._end(listing, at)

    def probed(self, raw_page: bytes, *, at: datetime) -> Iterator[Envelope]:
        """A page asked for to see only how far the cluster is, after silence or an outage.

        Raises ClusterUnreachable when that is behind what was already seen, and when it is no page.
        """
        yield from self._follow_back(page_of(raw_page).metadata.resourceVersion, at)
        self.is_doubtful = False

    def watched(self, raw_line: bytes | LongLine, *, at: datetime) -> Envelope | None:
        """One line of a watch; None when it leaves nothing to record.

        A line that cannot be read becomes a gap with its length and a keyed digest, and the watch
        may go on. Raises for an ERROR line: Expired, or ClusterUnreachable; Expired too when
        another stream has found that the cluster was restored.
        """
        if self._is_of_the_past:
            raise Expired(cause="rv-rollback")
        if isinstance(raw_line, LongLine):
            digest = bytes.fromhex(raw_line.digest)
            return self._unreadable("line-too-long", raw_line.length_bytes, digest, at)
        try:
            line = line_decoder.decode(raw_line)
            raw_object = bytes(line.object)
            if line.type == "ERROR":
                raise self._error(raw_object)
            envelope = self._watched(line.type, raw_object, at)
            version = (
                self._remember(line.type, envelope)
                if envelope
                else metadata_of(raw_object).resourceVersion
            )
        except (msgspec.DecodeError, ValueError, KeyError, RecursionError):
            return self._unreadable("decode", len(raw_line), raw_line, at)
        self._advance(version, at)
        return envelope

    def lose(self, cause: str, *, at: datetime) -> Iterator[Envelope]:
        """What happens from here on is not seen: a gap, one for each cause, and no cursor."""
        self._forget_listing()
        if not any(gap.cause == cause for gap in self.gaps):
            yield self._gap(cause, at)
        if self._is_of_the_past:
            self._epoch, self._reached = self.observer.epoch, ""
            self._known.clear()
        self.cursor, self._errors = "", 0

    def expire(self, cause: str, *, at: datetime) -> Iterator[Envelope]:
        """What was asked for is gone: history (a gap), or the rest of a list (begun anew)."""
        if self._is_of_the_past:
            yield from self.lose("rv-rollback", at=at)
        elif self._listing is not None:
            self._forget_listing()
        elif self.cursor:
            yield from self.lose(cause, at=at)

    def refuse(self, *, at: datetime) -> Iterator[Envelope]:
        """403: a gap, at once where nothing was ever watched, else when it stays so."""
        self._refusals += 1
        if not self._reached or self._refusals >= REFUSALS_BORNE:
            yield from self.lose("forbidden", at=at)

    def accept(self) -> None:
        """The API server has accepted a watch."""
        self.connected = True
        self._refusals = 0

    def outlast(self, began_at: datetime) -> None:
        """A watch lasted: history reached back to its cursor, so until it began nothing is lost."""
        self._heard_at = max(began_at, self._heard_at or began_at)

    def entry(self) -> dict[str, Any]:
        """What a heartbeat says of this stream."""
        return {
            "kind": self.stream.kind.plural,
            "scope": self.stream.scope,
            **self._told(),
            "state": self.state,
            "seen_at": self.seen_at,
        }

    @property
    def _is_of_the_past(self) -> bool:
        """What this stream knows is of an epoch that has ended."""
        return self._epoch != self.observer.epoch

    def _follow_back(self, version: str, at: datetime) -> Iterator[Envelope]:
        """The cluster is at `version` now: a new epoch when two lists in a row lay behind what was
        seen, as a whole or in an object. Raises ClusterUnreachable for the first: it may be one
        stale server.
        """
        if not self._is_of_the_past:
            is_behind = bool(self._reached) and int(version) < int(self._reached)
            self._behind = self._behind + 1 if is_behind else 0
            if max(self._behind, self._contradicted) < LISTS_BEHIND:
                if not is_behind:
                    return
                raise ClusterUnreachable(
                    f"Error from server: it is at resourceVersion {version}, "
                    f"but {self._reached} was already seen"
                )
            self.observer.epoch += 1
        self._behind = self._contradicted = 0
        yield from self.lose("rv-rollback", at=at)

    def _new_listing(self, version: str, at: datetime) -> Listing:
        return Listing(
            self.stream,
            self.observer,
            self.observer.next_snapshot(),
            version,
            at,
            closes=tuple(self.gaps),
            after="" if self.needs_list else self.cursor,
            known=self._known,
            tells_all=self._lists % TELLING_LISTS == 0,
        )

    def _item(self, raw_item: bytes, listing: Listing, at: datetime) -> Envelope | None:
        try:
            return listing.item(raw_item, at=at)
        except (msgspec.DecodeError, ValueError, KeyError, RecursionError):
            # Counted but missing: a snapshot that is not whole proves no deletion.
            return self._unreadable("decode", len(raw_item), raw_item, at)
        except Contradiction:
            self._contradicted += 1
            self._forget_listing()
            raise

    def _end(self, listing: Listing, at: datetime) -> Iterator[Envelope]:
        yield listing.end(at=at)
        self._known, self._heard_at = listing.versions, listing.began_at
        self._lists, self._contradicted, self.wants_list = self._lists + 1, 0, False
        if not listing.after:
            self.cursor = self._reached = listing.version
        self._forget_listing()
        for gap in listing.closes:
            self.gaps.remove(gap)
            yield self.observer.gap(
                self.stream,
                at=at,
                cause=gap.cause,
                state="closed",
                gap=gap.id,
                next_resource_version=listing.version,
                counts={"listed": listing.count, "unreadable": self.unreadable},
            )

    def _forget_listing(self) -> None:
        # A snapshot without its end stays so for ever; the next one has an id of its own.
        self._listing, self.continue_token = None, ""

    def _watched(self, change: str, raw_object: bytes, at: datetime) -> Envelope | None:
        match change:
            case "ADDED" | "MODIFIED":
                return self.observer.state(raw_object, kind=self.stream.kind, at=at)
            case "DELETED":
                return self.observer.deleted(raw_object, kind=self.stream.kind, at=at)
            case "BOOKMARK":
                return None
        raise ValueError("a watch line of a type that we do not know")

    def _error(self, raw_status: bytes) -> Exception:
        wrong = refusal(raw_status)
        self._errors += 1
        if not isinstance(wrong, Expired) and self._errors >= ERRORS_BORNE:
            return Expired(str(wrong), cause="watch-error")
        return wrong

    def _remember(self, change: str, envelope: Envelope) -> str:
        """What a list need not tell again: the version that this record told."""
        # The id of an object's record begins `<uid>/<resourceVersion>/`.
        uid, version, _ = envelope.id.split("/", 2)
        if change == "DELETED":
            self._known.pop(uid, None)
        else:
            self._known[uid] = version
        return version

    def _advance(self, version: str, at: datetime) -> None:
        # A server behind a balancer may repeat its past; the cursor does not follow it there.
        # Versions of one kind are comparable as integers (KEP-5504).
        if not self.cursor or int(version) > int(self.cursor):
            self.cursor, self._errors = version, 0
            self._reached = version
        self._heard_at = at

    def _unreadable(
        self, cause: str, length_bytes: int, raw: bytes, at: datetime
    ) -> Envelope | None:
        # What cannot be read cannot be redacted, and a plain digest could be guessed at.
        self.unreadable += 1
        if sum(gap.cause in ("decode", "line-too-long") for gap in self.gaps) >= LINE_GAPS:
            return None
        tag = hmac.digest(self.observer.redactor.key, raw, "sha256").hex()
        return self._gap(cause, at, bytes=length_bytes, hmac=tag)

    def _gap(self, cause: str, at: datetime, **details: Any) -> Envelope:
        if self._is_of_the_past:
            details["last_epoch"] = self._epoch
        envelope = self.observer.gap(
            self.stream,
            at=at,
            cause=cause,
            last_resource_version=self.cursor or None,
            last_seen_at=self.seen_at,
            **details,
        )
        self.gaps.append(OpenGap(envelope.id, cause))
        return envelope

    def _told(self) -> dict[str, Any]:
        # Whoever goes on after a crash asks again for the list that was asked for.
        wishes = {"wants_list": True} if self.wants_list else {}
        return {"cursor": None if self.needs_list else self.cursor, **wishes}
