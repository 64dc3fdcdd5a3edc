"""A few shuffles of short stretches of every recording: of the two thousand interleavings that
test_fold_interleavings.py goes through, so many as each mutant of the fold can be tried on.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.store import Ledger
from tests.test_fold_interleavings import doubled, form, stretch
from tests.test_fold_order import shuffled


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated ledger with nothing in it."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    Ledger.open(path).close()
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(8))
def test_late_and_repeated_records_change_nothing(seed: int, tmp_path: Path, empty: bytes) -> None:
    values, dice = stretch(seed), random.Random(seed)
    expected = form(values, tmp_path / "l.db", empty, batch=5000)
    for batch in (3, 40):
        mixed = shuffled(doubled(values, dice), dice)
        assert form(mixed, tmp_path / "l.db", empty, batch=batch) == expected
