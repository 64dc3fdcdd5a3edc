"""The page about redaction tells the rules as they are."""

from __future__ import annotations

from ledger.secret_rules import PAIRS
from ledger.secret_shapes import SHAPES
from tests.redaction_page import PAGE, page


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "python -m tests.redaction_page > docs/redaction.md"


def test_every_rule_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [rule.name for rule in SHAPES + PAIRS if f"| {rule.name} (" not in text] == []
