"""How long a rollout took is said only where its beginning and end were seen as they happened."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from ledger.envelope import parse
from ledger.model import PODS, STATEFUL_SETS, Kind, parse_timestamp
from ledger.observe import Observer, Stream
from ledger.redaction import Redactor
from tests.recorded import KEY, KEY_ID, folded
from tests.stories import Story

ROLLOUT = "a plain rollout"
BEFORE = "plain, with no word on how to update"


def took(values: Sequence[bytes], path: Path) -> dict[int, float]:
    """How long each rollout of `plain` took."""
    statement = """
        select number, round(seconds, 3) from durations
        join workloads on workloads.uid = workload_uid where workloads.name = 'plain'"""
    return dict(sqlite3.connect(folded(values, path)).execute(statement).fetchall())


def at(story: Story, step: str) -> int:
    """How many records there were at the end of a step."""
    return story.chapters[step].records


def watcher() -> Observer:
    """Another watcher of the same cluster."""
    return Observer("", "feed0002", Redactor("secrets", KEY_ID, KEY))


def gap(story: Story, kind: Kind, *, since: int, until: int) -> list[bytes]:
    """A stretch, in records, in which a kind was not watched."""
    times = [parse_timestamp(parse(story.values[index]).time) for index in (since, until)]
    observer, stream = watcher(), Stream(kind, "*")
    observer.cluster = parse(story.values[0]).source.removeprefix("/clusters/")
    seen = {"cause": "expired-410", "last_seen_at": parse(story.values[since]).time}
    opened = observer.gap(stream, at=times[1], **seen)
    closed = observer.gap(stream, at=times[1], cause="expired-410", state="closed", gap=opened.id)
    return [opened.value, closed.value]


def test_a_rollout_that_was_watched_took_as_long_as_was_seen(
    rollouts: Story, tmp_path: Path
) -> None:
    values = rollouts.values[: at(rollouts, ROLLOUT)]
    ((began, ended),) = rollouts.select(
        """
        select started_at, finished_at from rollouts
        join workloads on workloads.uid = workload_uid
        where workloads.name = 'plain' and number = 2""",
        ROLLOUT,
    )
    seconds = (parse_timestamp(ended) - parse_timestamp(began)).total_seconds()
    assert took(values, tmp_path / "l.db")[2] == round(seconds, 3)


def test_a_beginning_or_an_end_in_a_gap_says_nothing_of_how_long_it_took(
    rollouts: Story, tmp_path: Path
) -> None:
    end = at(rollouts, ROLLOUT)
    for kind in (STATEFUL_SETS, PODS):
        for since, until in ((at(rollouts, BEFORE) - 1, end - 20), (end - 20, end - 1)):
            path = tmp_path / f"{kind.plural}-{since}.db"
            missed = gap(rollouts, kind, since=since, until=until)
            assert set(took([*rollouts.values[:end], *missed], path)) == {1}


def test_a_gap_in_the_middle_takes_nothing_away(rollouts: Story, tmp_path: Path) -> None:
    end = at(rollouts, ROLLOUT)
    missed = gap(rollouts, PODS, since=end - 30, until=end - 20)
    assert set(took([*rollouts.values[:end], *missed], tmp_path / "l.db")) == {1, 2}


def test_what_a_resumed_watch_catches_up_with_says_nothing_of_how_long_it_took(
    rollouts: Story, tmp_path: Path
) -> None:
    before, end = at(rollouts, BEFORE), at(rollouts, ROLLOUT)
    last = parse(rollouts.values[before - 1])
    observer = watcher()
    observer.cluster = last.source.removeprefix("/clusters/")
    began = parse_timestamp(last.time) + timedelta(microseconds=1)
    resumed = [
        observer.coverage(
            "stream-start", Stream(kind, "*"), at=began, mode="resumed", cursor="1"
        ).value
        for kind in (STATEFUL_SETS, PODS)
    ]
    values = [*rollouts.values[:before], *resumed, *rollouts.values[before:end]]
    assert set(took(values, tmp_path / "l.db")) == {1}
