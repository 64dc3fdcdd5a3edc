"""What the fold makes of each recording, row by row, is what it made when somebody last looked.

`make goldens` writes the files anew; their difference is then read like any other.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.recording import STREAMS
from tests.normal_form import normal_form
from tests.recorded import folded, values_of

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("demo", "rollouts", "tutorial", "volumes", "writers")


def lines(name: str, folder: Path) -> Iterator[str]:
    """The ledger of a recording, one line a row."""
    ledger = folded(values_of(STREAMS / f"{name}.jsonl.zst"), folder / f"{name}.db")
    for table, rows in sorted(normal_form(ledger, times=True).items()):
        yield f"# {table}"
        yield from (json.dumps(row, ensure_ascii=False) for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_of_a_recording_is_what_it_was(name: str, tmp_path: Path) -> None:
    expected = (GOLDEN / f"{name}.txt").read_text("utf-8").splitlines()
    assert list(lines(name, tmp_path)) == expected, "look at it, then: make goldens"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for each in sys.argv[1:] or NAMES:
            text = "\n".join(lines(each, Path(scratch)))
            (GOLDEN / f"{each}.txt").write_text(text + "\n", "utf-8")
