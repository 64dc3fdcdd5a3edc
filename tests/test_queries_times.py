"""A time that is given to a question means an instant, however it is written."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from ledger import sql
from tests.chronicle import Chronicle
from tests.web_ledger import ask

TIMES = {"since", "until", "at", "as_of", "before_time"}
"""Parameters that are times."""

FORM = """
coalesce(
  strftime(
    '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:time, 20)), 2, 7) || 'Z',
    substr(:time, 1, 19) || ltrim(substr(:time, 20), '.0123456789')
  ),
  :time
)"""
"""A time as the ledger writes it. strftime alone rounds to milliseconds, which would tell of what
came just before or leave out what came just after, so the fraction goes another way.
"""
ASKED = [
    pytest.param(question, name, id=f"{question.name}-{name}")
    for question in sql.questions()
    for name in question.parameters
    if name in TIMES
]


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_every_parameter_that_is_a_time_is_known_as_one() -> None:
    told = {n for q in sql.questions() for n, text in q.parameters.items() if "RFC 3339" in text}
    assert told <= TIMES


@pytest.mark.parametrize(("question", "name"), ASKED)
def test_a_question_compares_no_time_as_it_was_written(question: sql.Query, name: str) -> None:
    body = one_line("\n".join(x for x in question.sql.splitlines() if not x.startswith("--")))
    form = one_line(FORM).replace(":time", f":{name}")
    assert body.count(form) == 1
    rest = body.replace(form, "")
    if question.name == "ran_image":
        # A day is a stretch, not an instant.
        end = "coalesce(strftime('%Y-%m-%dT%H:%M:%S.000000Z', :at, '+1 day'), :at)"
        day = f"when length(:at) = 10 then {end}"
        assert day in rest
        rest = rest.replace(day, "")
    assert re.findall(rf":{name}\b(?! = '')", rest) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-26T10:00:10.123456Z", "2026-11-26T10:00:10.123456Z"),
        ("2026-11-26T10:00:10.999999Z", "2026-11-26T10:00:10.999999Z"),
        ("2026-11-26T10:00:10.000001Z", "2026-11-26T10:00:10.000001Z"),
        ("2026-11-26T10:00:10Z", "2026-11-26T10:00:10.000000Z"),
        ("2026-11-26T10:00:10.5Z", "2026-11-26T10:00:10.500000Z"),
        ("2026-11-26T10:00:59.999999999Z", "2026-11-26T10:00:59.999999Z"),
        ("2026-11-26T11:00:10.25+01:00", "2026-11-26T10:00:10.250000Z"),
        ("2026-11-26T04:30:10.000007-05:30", "2026-11-26T10:00:10.000007Z"),
        ("2027-01-01T00:30:00+01:00", "2026-12-31T23:30:00.000000Z"),
        ("2026-11-26 10:00:10.5", "2026-11-26T10:00:10.500000Z"),
        ("2026-11-26T11:00+01:00", "2026-11-26T10:00:00.000000Z"),
        ("2026-11-26T10:00Z", "2026-11-26T10:00:00.000000Z"),
        ("2026-11-26", "2026-11-26T00:00:00.000000Z"),
        ("next week", "next week"),
        ("", ""),
    ],
)
def test_a_time_is_brought_into_the_ledgers_form_to_the_microsecond(
    written: str, meant: str
) -> None:
    with sqlite3.connect(":memory:") as connection:
        row = connection.execute(f"select {FORM}", {"time": written}).fetchone()
    connection.close()
    assert row == (meant,)


def test_a_period_is_the_same_whoever_writes_it(tmp_path: Path) -> None:
    told = Chronicle()
    told.state(100, 4, 0, "app:1")
    told.state(110, 5, 10.5, "app:1", replicas=3)
    ledger = told.ledger(tmp_path)
    for name, written, rows in (
        ("since", "2026-11-26T10:00:10Z", 1),
        ("since", "2026-11-26T11:00:10.5+01:00", 1),
        ("since", "2026-11-26T11:00:10.500001+01:00", 0),
        ("until", "2026-11-26T10:00:10Z", 0),
        ("until", "2026-11-26T10:00:10.5Z", 0),
        ("until", "2026-11-26T10:00:10.500001Z", 1),
        ("until", "2026-11-26T04:30:11-05:30", 1),
    ):
        for question in ("changes", "report_changes", "spec_history"):
            found = ask(ledger, question, "generation", **{name: written})
            assert len(found) == rows, (question, name, written)
