"""`python -m tests.redaction_page` prints docs/redaction.md with its table made from the rules."""

from __future__ import annotations

from pathlib import Path

from ledger.secret_rules import PAIRS
from ledger.secret_shapes import SHAPES
from ledger.secret_text import Rule

PAGE = Path(__file__).parent.parent / "docs" / "redaction.md"
BEGIN, END = "<!-- rules -->", "<!-- end of rules -->"


def page(text: str) -> str:
    """The page with the table of the rules as they are."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def table() -> str:
    """Every rule with one text it hides and one it keeps."""
    lines = ["", "| rule | hides what is between « and » | leaves alone |", "| --- | --- | --- |"]
    for told, rules in (("form", SHAPES), ("name", PAIRS)):
        lines += [_line(told, each) for each in rules]
    return "\n".join([*lines, "", ""])


def _line(told: str, each: Rule) -> str:
    return f"| {each.name} ({told}) | {_code(each.examples[0])} | {_code(each.keeps[0])} |"


def _code(text: str) -> str:
    shown = text.replace("\n", "⏎").replace("|", "\\|")
    return f"`` {shown} ``"


if __name__ == "__main__":
    print(page(PAGE.read_text(encoding="utf-8")), end="")
