"""Recorded stories, step by step: what kubectl said after each, and the ledger as it was then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ledger.envelope import parse
from ledger.reader import LocalReader
from tests.lab.recording import STREAMS, read_recording
from tests.recorded import folded, values_of


@dataclass(frozen=True)
class Told:
    """What kubectl printed about one StatefulSet after a step."""

    step: str
    verb: str
    name: str
    namespace: str
    exit: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Chapter:
    """One step of a story: how many records there were at its end, and what kubectl said."""

    name: str
    records: int
    told: tuple[Told, ...]


class Story:
    """A recording, and the ledgers of its steps in `folder`, each folded once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.path = STREAMS / f"{name}.jsonl.zst"
        self.values = values_of(self.path)
        self.chapters = {each.name: each for each in _chapters(self.path)}
        self._folder = folder
        self._ledgers: dict[int, Path] = {}

    def ledger(self, step: str = "") -> Path:
        """The ledger at the end of a step, or of the story."""
        count = self.chapters[step].records if step else len(self.values)
        if count not in self._ledgers:
            path = self._folder / f"{self.path.name}-{count}.db"
            self._ledgers[count] = folded(self.values[:count], path)
        return self._ledgers[count]

    def reader(self, step: str = "") -> LocalReader:
        """A reader of that ledger."""
        return LocalReader(self.ledger(step))

    def rows(self, question: str, step: str = "", **asked: str) -> list[dict[str, Any]]:
        """What a question answers at the end of a step."""
        return self.reader(step).query(question, asked)

    def select(self, statement: str, step: str = "", **asked: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement at the end of a step."""
        connection = self.reader(step)._connection
        return [tuple(row) for row in connection.execute(statement, asked)]


@lru_cache
def _chapters(path: Path) -> tuple[Chapter, ...]:
    times = [parse(value).time for value in values_of(path)]
    steps: dict[str, list[_Line]] = {}
    for line in read_recording(path):
        if line["op"] == "step":
            command = json.loads(line["raw"])
            told = _Line(line["at"], command["began_at"], _told(command))
            steps.setdefault(command["step"], []).append(told)
    begins = [lines[0].began_at for lines in steps.values()]
    ends = [*begins[1:], "9"]
    return tuple(
        _chapter(name, lines, end, times)
        for (name, lines), end in zip(steps.items(), ends, strict=True)
    )


@dataclass(frozen=True)
class _Line:
    """A command of a step."""

    at: str
    began_at: str
    told: Told | None


def _chapter(name: str, lines: list[_Line], until: str, times: list[str]) -> Chapter:
    # Where kubectl was asked, the step ends with the answer; else when the next one begins.
    asked = [line.at for line in lines if line.told is not None]
    end = asked[-1] if asked else until
    count = next((index for index, time in enumerate(times) if time > end), len(times))
    return Chapter(name, count, tuple(line.told for line in lines if line.told is not None))


def _told(command: dict[str, Any]) -> Told | None:
    argv: list[str] = command["argv"]
    if command["user"] != "watcher" or argv[3] != "rollout":
        return None
    name = argv[5].removeprefix("statefulset/")
    said = (command["exit"], command["stdout"], command["stderr"])
    return Told(command["step"], argv[4], name, argv[2], *said)


def revisions(story: Story, name: str, columns: str, step: str = "") -> list[tuple[Any, ...]]:
    """Columns of the revision entries of the newest incarnation of a name, oldest first."""
    return story.select(
        f"""
        select {columns} from revisions join workloads on workloads.uid = revisions.workload_uid
        where workloads.uid = ({NEWEST}) order by revisions.observed_at, revisions.number""",
        step,
        name=name,
    )


def workload(story: Story, name: str, columns: str, step: str = "") -> tuple[Any, ...]:
    """Columns of the newest incarnation of a name."""
    (row,) = story.select(
        f"select {columns} from workloads where uid = ({NEWEST})", step, name=name
    )
    return row


def pods(story: Story, name: str, columns: str, step: str = "") -> list[tuple[Any, ...]]:
    """Columns of the living pods of the newest incarnation of a name, by ordinal."""
    return story.select(
        f"""
        select {columns} from pod_runs
        where workload_uid = ({NEWEST}) and deleted_at is null order by ordinal""",
        step,
        name=name,
    )


def rollout(story: Story, name: str, columns: str, step: str = "") -> tuple[Any, ...]:
    """Columns of the newest rollout of the newest incarnation of a name."""
    return story.select(
        f"""
        select {columns} from rollouts where workload_uid = ({NEWEST})
        order by started_at, number""",
        step,
        name=name,
    )[-1]


NEWEST = "select uid from workloads where name = :name order by first_seen_at desc limit 1"


def statuses(story: Story) -> Iterator[Told]:
    """Everything that `kubectl rollout status` said."""
    for chapter in story.chapters.values():
        yield from (each for each in chapter.told if each.verb == "status")
