"""Real writes of a real control plane: what managedFields tells, against the audit log of the same
minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import zstandard

from ledger.diff import Change, diff
from ledger.managed_fields import kubectl_undo, last_writer
from ledger.redaction import Redactor

STREAMS = Path(__file__).parent / "streams"

State = dict[str, Any]
Written = tuple[str, str]
"""uid and resourceVersion of what a write left."""


@dataclass(frozen=True)
class Request:
    """What the audit log says of a write: the manager it asked for, and whether it was an undo."""

    manager: str
    is_undo: bool


@dataclass(frozen=True)
class TemplateWrite:
    """Two successive states of one StatefulSet with different templates, and who wrote."""

    before: State
    after: State
    changes: tuple[Change, ...]
    request: Request

    def redacted(self, redactor: Redactor) -> TemplateWrite:
        """The same as the log has it."""
        before, after = (redactor.redact(state).document for state in (self.before, self.after))
        changes = diff(before["spec"]["template"], after["spec"]["template"])
        return TemplateWrite(before, after, changes, self.request)

    @property
    def writes_a_field(self) -> bool:
        """True when it did not only take fields away."""
        return any(change.kind in ("added", "changed") for change in self.changes)


@pytest.fixture(params=["tutorial", "demo"])
def writes(request: pytest.FixtureRequest) -> list[TemplateWrite]:
    """Every template write of a recording."""
    return [*template_writes(STREAMS / f"{request.param}.jsonl.zst")]


def test_the_last_writer_is_the_one_that_the_audit_log_names(writes: list[TemplateWrite]) -> None:
    told = [writers(write) for write in writes]
    assert told == [[write.request.manager] if write.writes_a_field else [] for write in writes]


def test_an_undo_is_told_from_every_other_write(writes: list[TemplateWrite]) -> None:
    told = [
        kubectl_undo(
            write.before["metadata"], write.after["metadata"], write.changes, adjacent=True
        )
        for write in writes
    ]
    assert told == [write.request.is_undo and write.writes_a_field for write in writes]
    assert {True, False} == set(told)


def test_each_command_of_kubectl_writes_under_a_name_of_its_own(tutorial: Path) -> None:
    managers = {write.request.manager for write in template_writes(tutorial)}
    assert managers == {
        "kubectl",
        "kubectl-client-side-apply",
        "kubectl-patch",
        "kubectl-rollout",
        "kubectl-set",
    }


def test_a_write_within_the_same_second_is_known_by_ownership_alone(tutorial: Path) -> None:
    quick = [
        write
        for write in template_writes(tutorial)
        if write.writes_a_field and not writers(write, adjacent=False)
    ]
    assert quick
    assert [writers(write) for write in quick] == [[write.request.manager] for write in quick]


def test_redaction_leaves_ownership_readable(writes: list[TemplateWrite]) -> None:
    redactor = Redactor("strict", "0a1b2c3d", b"a key for tests: 32 bytes long..")
    hidden = [write.redacted(redactor) for write in writes]
    assert [writers(write) for write in hidden] == [writers(write) for write in writes]


def test_an_undo_that_only_takes_fields_away_leaves_no_trace(tutorial: Path) -> None:
    silent = [write for write in template_writes(tutorial) if not write.writes_a_field]
    assert {write.request.is_undo for write in silent} == {True}
    assert [writers(write) for write in silent] == [[] for _ in silent]


def writers(write: TemplateWrite, *, adjacent: bool = True) -> list[str]:
    """The names of the last writers."""
    told = last_writer(
        write.before["metadata"], write.after["metadata"], write.changes, adjacent=adjacent
    )
    return [manager.manager for manager in told]


def template_writes(path: Path) -> Iterator[TemplateWrite]:
    """Every write in which a template changed and of which no neighbour is missing."""
    requests = dict(_requests(path))
    latest: dict[str, State] = {}
    for after in _states(path):
        metadata = after["metadata"]
        before = latest.get(metadata["uid"])
        latest[metadata["uid"]] = after
        if before is None or metadata["generation"] != before["metadata"]["generation"] + 1:
            continue
        changes = diff(before["spec"]["template"], after["spec"]["template"])
        if changes:
            request = requests[metadata["uid"], metadata["resourceVersion"]]
            yield TemplateWrite(before, after, changes, request)


def _states(path: Path) -> Iterator[State]:
    for line in _lines(path):
        if line["op"] == "watch" and line["stream"] == "statefulsets":
            received = json.loads(line["raw"])
            if received["type"] in ("ADDED", "MODIFIED"):
                yield received["object"]


def _requests(path: Path) -> Iterator[tuple[Written, Request]]:
    for line in _lines(path):
        raw = json.loads(line["raw"]) if line["op"] == "audit" else {}
        left = raw.get("responseObject", {}).get("metadata", {})
        if raw.get("objectRef", {}).get("resource") == "statefulsets" and "resourceVersion" in left:
            manager = parse_qs(urlsplit(raw["requestURI"]).query).get("fieldManager", [""])[0]
            name = manager or raw["userAgent"].partition("/")[0]
            asked = raw.get("requestObject")
            template = asked.get("spec", {}).get("template", {}) if isinstance(asked, dict) else {}
            is_undo = template.get("$patch") == "replace"
            yield (left["uid"], left["resourceVersion"]), Request(name, is_undo)


@lru_cache
def _lines(path: Path) -> tuple[dict[str, Any], ...]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        return tuple(json.loads(line) for line in reader.read().splitlines())
