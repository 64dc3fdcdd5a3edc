"""What somebody should know before they undo: one finding a line, worst first; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "owner",
    "reference",
    "stuck",
    "held-back",
    "not-restored",
    "claim",
    "data",
    "target",
    "altered",
    "not-checked",
]
Weight = Literal["refusal", "warning", "note"]
"""A `refusal` stops the undo unless it is forced; a `warning` may go wrong; a `note` is so."""

WEIGHTS = ("refusal", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know."""

    kind: Kind
    weight: Weight
    text: str


def worst_first(found: list[Finding]) -> tuple[Finding, ...]:
    """The findings in the order of their weights."""
    return tuple(sorted(found, key=lambda each: WEIGHTS.index(each.weight)))
