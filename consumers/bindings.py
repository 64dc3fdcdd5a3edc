"""Which volume a claim had, from when to when: what the claim and the volume say, put together.

The volume is believed first: its claimRef names the claim by uid, and it still does when the claim
is gone (phase Released). A ledger without volumes, for want of rights, has the claim's word alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ledger.store import Ledger

Story = Sequence[Mapping[str, Any]]

BOUND, RELEASED = "Bound", "Released"


@dataclass(slots=True)
class Bindings:
    """The `bindings` table."""

    ledger: Ledger

    def derive(self, uid: str) -> None:
        """The volumes that a claim had, anew."""
        claim = self.ledger.row("fold/object", {"uid": uid})
        if claim is None:
            return
        states = self.ledger.rows("fold/claim_story", {"object_id": claim["id"]})
        volumes = self.ledger.rows("fold/binding_volumes", {"uid": uid})
        self.ledger.run("fold/binding_clear", {"uid": uid})
        self.ledger.put("bindings", bindings(uid, claim["deleted_at"], states, volumes))


def bindings(
    claim_uid: str, claim_deleted_at: str | None, states: Story, volumes: Story
) -> list[dict[str, Any]]:
    """The rows of a claim, from its states and those of every volume that ever named it."""
    told: dict[str, str] = {}
    for state in states:
        if state["volume"] and state["phase"] == BOUND:
            at = told.get(state["volume"], state["observed_at"])
            told[state["volume"]] = min(at, state["observed_at"])
    rows = []
    for _, story in groupby(volumes, key=lambda state: state["object_id"]):
        row = _of_volume(claim_uid, claim_deleted_at, list(story), told)
        if row is not None:
            rows.append(row)
    for volume in sorted(told.keys() - {row["volume"] for row in rows}):
        row = {"claim_uid": claim_uid, "volume": volume, "volume_uid": "", "set_by": ""}
        ended = "claim deleted" if claim_deleted_at else ""
        rows.append(row | {"bound_at": told[volume], "released_at": claim_deleted_at, "why": ended})
    return rows


def _of_volume(
    claim_uid: str, claim_deleted_at: str | None, story: Story, told: Mapping[str, str]
) -> dict[str, Any] | None:
    volume = story[0]
    ours = [state for state in story if state["claim_uid"] == claim_uid]
    bound = [state["observed_at"] for state in ours if state["phase"] == BOUND]
    begins = [at for at in (*bound, told.get(volume["name"])) if at]
    if not begins:
        return None
    left_at, why = _left(claim_uid, story)
    ends = [at for at in (claim_deleted_at, volume["deleted_at"], left_at) if at]
    if claim_deleted_at:
        why = "claim deleted"
    elif volume["deleted_at"]:
        why = "volume deleted"
    return {
        "claim_uid": claim_uid,
        "volume": volume["name"],
        "volume_uid": volume["uid"],
        "bound_at": min(begins),
        "released_at": min(ends, default=None),
        "why": why if ends else "",
        "set_by": next((state["claim_set_by"] for state in ours if state["claim_set_by"]), ""),
    }


def _left(claim_uid: str, story: Story) -> tuple[str | None, str]:
    """When the volume last ceased to be the claim's, and what it says of that."""
    left: tuple[str | None, str] = (None, "")
    was_bound = False
    for state in story:
        is_bound = state["claim_uid"] == claim_uid and state["phase"] == BOUND
        if is_bound:
            left = (None, "")
        elif was_bound:
            is_released = state["claim_uid"] == claim_uid and state["phase"] == RELEASED
            why = "released" if is_released else "claimRef changed"
            left = (state["observed_at"], why)
        was_bound = is_bound
    return left
