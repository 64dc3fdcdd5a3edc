"""Which volume a claim had and which pod used it, from the states that tell of both."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.bindings import bindings
from consumers.mounts import began_at, mount, used


def at(second: int) -> str:
    return f"2026-11-01T00:00:{second:02}.000000Z"


def claim(second: int, volume: str = "", phase: str = "Bound") -> dict[str, Any]:
    """A state of the claim c."""
    return {"observed_at": at(second), "volume": volume, "phase": phase}


def volume(
    second: int, phase: str, uid: str = "c", *, number: int = 1, deleted: int = 0, by: str = ""
) -> dict[str, Any]:
    """A state of the volume pv-<number>, whose claimRef names a claim by uid."""
    return {
        "object_id": number,
        "uid": f"v-{number}",
        "name": f"pv-{number}",
        "deleted_at": at(deleted) if deleted else None,
        "observed_at": at(second),
        "phase": phase,
        "claim_uid": uid,
        "claim_set_by": by,
    }


def row(
    bound: int, released: int = 0, why: str = "", *, number: int = 1, uid: str = "v-1", by: str = ""
) -> dict[str, Any]:
    return {
        "claim_uid": "c",
        "volume": f"pv-{number}",
        "volume_uid": uid,
        "bound_at": at(bound),
        "released_at": at(released) if released else None,
        "why": why,
        "set_by": by,
    }


@pytest.mark.parametrize(
    ("deleted", "claims", "volumes", "rows"),
    [
        # Without volumes the claim has the word alone, and only of what it was bound to.
        (0, [claim(3, "pv-1"), claim(2, "pv-1")], [], [row(2, uid="")]),
        (9, [claim(2, "pv-1")], [], [row(2, 9, "claim deleted", uid="")]),
        (0, [claim(2, "pv-1", "Pending"), claim(3, "", "Bound")], [], []),
        (
            0,
            [claim(2, "pv-2"), claim(3, "pv-1")],
            [],
            [row(3, uid=""), row(2, number=2, uid="")],
        ),
        # The volume is believed first, and the earlier of the two says when.
        (0, [claim(3, "pv-1")], [volume(2, "Bound", by="binder")], [row(2, by="binder")]),
        (0, [claim(1, "pv-1")], [volume(2, "Bound")], [row(1)]),
        (0, [claim(1, "pv-1")], [volume(2, "Pending", "")], [row(1)]),
        (
            0,
            [],
            [volume(1, "Available", by="x"), volume(2, "Bound"), volume(3, "Bound")],
            [row(2, by="x")],
        ),
        (0, [], [volume(2, "Available")], []),
        (0, [], [volume(2, "Bound", "another")], []),
        (
            0,
            [],
            [
                volume(1, "Bound", "another", by="not us"),
                volume(2, "Bound", by="a"),
                volume(3, "Bound", by="b"),
            ],
            [row(2, by="a")],
        ),
        # What ends it: the claim, the volume, or the volume's own word; whichever was first.
        (9, [], [volume(2, "Bound")], [row(2, 9, "claim deleted")]),
        (0, [], [volume(2, "Bound", deleted=8)], [row(2, 8, "volume deleted")]),
        (9, [], [volume(2, "Bound", deleted=8)], [row(2, 8, "claim deleted")]),
        (
            0,
            [],
            [volume(2, "Bound"), volume(4, "Released"), volume(5, "Released")],
            [row(2, 4, "released")],
        ),
        (0, [], [volume(2, "Bound"), volume(4, "Failed")], [row(2, 4, "claimRef changed")]),
        (0, [], [volume(2, "Bound"), volume(4, "Released", "d")], [row(2, 4, "claimRef changed")]),
        (0, [], [volume(2, "Bound"), volume(4, "Bound", "d")], [row(2, 4, "claimRef changed")]),
        (9, [], [volume(2, "Bound"), volume(4, "Released")], [row(2, 4, "claim deleted")]),
        (0, [], [volume(2, "Bound"), volume(4, "Released"), volume(6, "Bound")], [row(2)]),
        (0, [], [volume(2, "Released"), volume(3, "Bound")], [row(3)]),
        # One row for each volume it ever had.
        (
            0,
            [claim(3, "pv-2")],
            [volume(2, "Bound"), volume(4, "Released"), volume(5, "Bound", number=2)],
            [row(2, 4, "released"), row(3, number=2, uid="v-2")],
        ),
    ],
)
def test_a_claims_volumes_are_told_from_both_sides(
    deleted: int,
    claims: list[dict[str, Any]],
    volumes: list[dict[str, Any]],
    rows: list[dict[str, Any]],
) -> None:
    assert bindings("c", at(deleted) if deleted else None, claims, volumes) == rows


RUN: dict[str, Any] = {
    "uid": "p",
    "name": "web-0",
    "namespace": "shop",
    "workload_uid": "s",
    "ordinal": 0,
    "revision": "web-1",
    "node": "node-1",
    "created_at": at(10),
    "scheduled_at": at(12),
    "started_at": at(13),
    "deleted_at": None,
    "deleted_after": None,
}
CLAIM: dict[str, Any] = {
    "claim_uid": "c",
    "claim": "data-web-0",
    "volume": "data",
    "namespace": "shop",
    "claim_created_at": at(5),
    "claim_deleted_at": None,
    "claim_deleted_after": None,
}


@pytest.mark.parametrize(
    ("changed", "began"),
    [
        ({}, at(12)),
        ({"scheduled_at": None}, at(13)),
        ({"scheduled_at": None, "started_at": None}, at(10)),
        ({"scheduled_at": None, "node": ""}, None),
    ],
)
def test_a_volume_is_the_pods_own_from_when_it_has_a_node(
    changed: dict[str, Any], began: str | None
) -> None:
    assert began_at(RUN | changed) == began


def born(uid: str, created: int | None, deleted: int | None = None) -> dict[str, Any]:
    """A claim that lived from then to then."""
    return CLAIM | {
        "claim_uid": uid,
        "claim_created_at": None if created is None else at(created),
        "claim_deleted_at": None if deleted is None else at(deleted),
    }


WAITING = {"scheduled_at": None, "node": ""}


@pytest.mark.parametrize(
    ("run", "claims", "uid"),
    [
        ({}, [born("a", 5)], "a"),
        ({}, [born("a", 5, 11), born("b", 11)], "b"),
        ({}, [born("b", 8), born("a", 5)], "b"),
        ({}, [born("a", 5), born("b", 5)], "b"),
        ({}, [born("a", 5), born("b", 13)], "a"),
        ({}, [born("a", 12)], "a"),
        ({}, [born("a", 13)], None),
        ({}, [born("a", 5, 12)], "a"),
        ({}, [born("a", 5, 11)], None),
        ({}, [born("a", None), born("b", 5)], "b"),
        ({}, [born("a", None)], "a"),
        ({}, [], None),
        # While it waits for a node, any claim made in its life may be meant.
        (WAITING, [born("a", 5), born("b", 30)], "b"),
        (WAITING, [born("a", 5, 9)], None),
        (WAITING, [born("a", 5, 10)], "a"),
        (WAITING | {"deleted_at": at(20)}, [born("a", 20), born("b", 21)], "a"),
        (WAITING | {"created_at": None}, [born("a", 5, 9)], "a"),
    ],
)
def test_of_the_claims_of_a_name_the_pod_used_the_one_that_was_there(
    run: dict[str, Any], claims: list[dict[str, Any]], uid: str | None
) -> None:
    found = used(RUN | run, claims)
    assert (found and found["claim_uid"]) == uid


@pytest.mark.parametrize(
    ("run", "claim", "end"),
    [
        ({}, {}, (None, None)),
        ({"deleted_at": at(30), "deleted_after": at(29)}, {}, (at(30), at(29))),
        ({"deleted_after": at(29)}, {}, (None, None)),
        ({}, {"claim_deleted_at": at(31)}, (at(31), None)),
        (
            {"deleted_at": at(30), "deleted_after": None},
            {"claim_deleted_at": at(28), "claim_deleted_after": at(27)},
            (at(28), at(27)),
        ),
        (
            {"deleted_at": at(30), "deleted_after": at(20)},
            {"claim_deleted_at": at(28), "claim_deleted_after": at(27)},
            (at(28), at(27)),
        ),
        (
            {"deleted_at": at(30), "deleted_after": None},
            {"claim_deleted_at": at(30), "claim_deleted_after": at(27)},
            (at(30), None),
        ),
    ],
)
def test_a_mount_ends_with_its_pod_or_its_claim(
    run: dict[str, Any], claim: dict[str, Any], end: tuple[str | None, str | None]
) -> None:
    assert mount(RUN | run, CLAIM | claim) == {
        "pod_uid": "p",
        "claim_uid": "c",
        "volume": "data",
        "namespace": "shop",
        "claim": "data-web-0",
        "pod": "web-0",
        "workload_uid": "s",
        "ordinal": 0,
        "revision": "web-1",
        "from_at": at(12),
        "to_at": end[0],
        "to_after": end[1],
    }
