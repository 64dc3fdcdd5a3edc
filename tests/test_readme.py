"""What README.md shows is what the demo prints."""

from __future__ import annotations

import re
from pathlib import Path

from tests.recorded import folded, values_of
from tests.terminal import on_terminal

README = Path(__file__).parent.parent / "README.md"


def captured(text: str) -> list[str]:
    """The history in the text, its ages left out."""
    lines = text.split("$ rollout-ledger history sts/web -n shop\n")[1].split("```")[0]
    return [_ageless(line) for line in lines.strip().splitlines()]


def _ageless(line: str) -> str:
    return re.sub(r"^([▸ ] \d+ +)\d+[smhdw] *", r"\1", line.rstrip()).replace("AGE ", "")


def test_the_readme_shows_the_history_of_the_demo(demo: Path, tmp_path: Path) -> None:
    ledger = folded(values_of(demo), tmp_path / "ledger.db")
    told = on_terminal(80, "history", "sts/web", "-n", "shop", "--ledger", str(ledger))
    shown = captured(README.read_text(encoding="utf-8"))
    # The recording grows older, and its column of ages wider: lines may break elsewhere one day.
    assert " ".join(shown).split() == " ".join(_ageless(line) for line in told[:-1]).split()
