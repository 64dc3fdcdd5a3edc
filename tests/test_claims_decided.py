"""When a claim's end was decided, and by whom: from its owners and what became of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consumers.claims import Decision, decision_of, why_deleted


def at(second: int) -> str:
    return f"2026-11-01T00:00:{second:02}.000000Z"


def owner(kind: str, uid: str = "o") -> dict[str, Any]:
    return {"kind": kind, "uid": uid}


def state(second: int, *owners: str, terminating: int | None = None, **end: Any) -> dict[str, Any]:
    """A state of a claim; `end` is the object's end, which every state of it repeats."""
    return {
        "observed_at": at(second),
        "terminating_at": None if terminating is None else at(terminating),
        "owners": json.dumps([owner(kind) for kind in owners]),
        "deleted_at": None,
        "deleted_how": None,
    } | end


GONE: dict[str, Any] = {"deleted_at": at(9), "deleted_how": "observed"}


@pytest.mark.parametrize(
    ("story", "decision"),
    [
        ([state(1)], None),
        ([state(1, "Pod"), state(3, "StatefulSet", terminating=2)], (at(3), "StatefulSet", True)),
        ([state(3, "Pod", terminating=2), state(4, terminating=2)], (at(3), "Pod", True)),
        ([state(1, **GONE), state(2, "Pod", **GONE)], (at(9), "Pod", True)),
        (
            [state(n, k, **GONE) for n, k in enumerate(("Node", "Node", "Pod"))],
            (at(9), "Pod", True),
        ),
        ([state(1, "Pod", **GONE | {"deleted_how": "inferred"})], (at(9), "Pod", False)),
    ],
)
def test_a_claims_end_is_decided_when_it_is_asked_for_or_seen(
    story: list[dict[str, Any]], decision: tuple[str, str, bool] | None
) -> None:
    found = decision_of(story)
    if decision is None:
        assert found is None
    else:
        when, kind, is_seen = decision
        assert found == Decision(when, (owner(kind),), is_seen)


def end(
    deleted: int | None = None, *, after: int | None = None, terminating: int | None = None
) -> Any:
    """What became of an owner."""
    moments = {"deleted_at": deleted, "deleted_after": after, "terminating_at": terminating}
    return {name: None if each is None else at(each) for name, each in moments.items()}


@pytest.mark.parametrize(
    ("kinds", "became", "seen", "unseen"),
    [
        ("", {}, "by hand", "unknown"),
        ("Node", {}, "unknown", "unknown"),
        # An owner that is still there deletes nothing.
        ("StatefulSet", {"StatefulSet": end()}, "by hand", "unknown"),
        ("Pod", {"Pod": end()}, "by hand", "unknown"),
        ("Pod Node", {"Pod": end()}, "by hand", "unknown"),
        ("Pod Node", {"Pod": end(1)}, "unknown", "unknown"),
        ("StatefulSet", {"StatefulSet": None}, "retention whenDeleted", "retention whenDeleted"),
        ("StatefulSet", {"StatefulSet": end(10)}, "retention whenDeleted", "retention whenDeleted"),
        ("Pod", {"Pod": end(10)}, "retention whenScaled", "retention whenScaled"),
        (
            "StatefulSet Pod",
            {"StatefulSet": end(3), "Pod": end(3)},
            "retention whenDeleted",
            "retention whenDeleted",
        ),
        ("StatefulSet Pod", {"StatefulSet": end(3), "Pod": end()}, "by hand", "unknown"),
        # Two seconds of slack, and no more; the earliest that an end may have been counts.
        ("Pod", {"Pod": end(12)}, "retention whenScaled", "retention whenScaled"),
        ("Pod", {"Pod": end(13)}, "by hand", "unknown"),
        ("Pod", {"Pod": end(13, after=12)}, "retention whenScaled", "retention whenScaled"),
        ("Pod", {"Pod": end(10, after=13)}, "by hand", "unknown"),
        ("Pod", {"Pod": end(20, terminating=12)}, "retention whenScaled", "retention whenScaled"),
        ("Pod", {"Pod": end(terminating=13)}, "by hand", "unknown"),
    ],
)
def test_what_owned_it_and_is_gone_tells_who_deleted_it(
    kinds: str, became: dict[str, Any], seen: str, unseen: str
) -> None:
    owners = tuple(owner(kind, kind) for kind in kinds.split())
    assert why_deleted(Decision(at(10), owners, is_seen=True), became) == seen
    assert why_deleted(Decision(at(10), owners, is_seen=False), became) == unseen
