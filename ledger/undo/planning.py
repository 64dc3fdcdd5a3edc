"""What an undo would do, worked out before anything is written; pure.

The plan holds everything that was looked at, so that whoever confirms it has seen it, and `apply`
writes only while it is still so.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger import own_rules
from ledger.canonical import normal_template
from ledger.diff import Change, count_unchanged, diff
from ledger.originals import Original
from ledger.own_rules import OwnRules
from ledger.redaction import Policy, Redactor
from ledger.rollout.pods import PodState, pod_state
from ledger.rollout.sets import SetStatus, set_status
from ledger.rollout.verdict import Absences, Blocker, verdict
from ledger.undo.candidates import Candidate
from ledger.undo.consequences import (
    claims_kept,
    data_stays,
    held_back,
    not_restored,
    stuck,
)
from ledger.undo.findings import Finding, worst_first
from ledger.undo.owners import owners
from ledger.undo.references import Reference

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Live:
    """The set and what belongs to it, as the API server gave it to the caller. None stands for
    what the caller may not read.
    """

    raw_set: Raw
    raw_revisions: Sequence[Raw] | None
    raw_pods: Sequence[Raw] | None
    raw_claims: Sequence[Raw] | None

    @property
    def name(self) -> str:
        """The set's name."""
        return str(self.raw_set["metadata"]["name"])

    @property
    def status(self) -> SetStatus:
        """What counts in the set for its rollout."""
        return set_status(self.raw_set)

    @property
    def pods(self) -> tuple[PodState, ...]:
        """The pods; none where they may not be read."""
        return tuple(pod_state(raw_pod) for raw_pod in self.raw_pods or ())

    @property
    def template(self) -> dict[str, Any]:
        """The set's pod template, in normal form."""
        return normal_template(self.raw_set["spec"]["template"])


def blocking(live: Live, *, now: str, revision: str = "") -> tuple[Blocker, ...]:
    """The pods that hold the set up for ever as it is (kubernetes#67250), or would if it were to go
    to another revision.
    """
    status = live.status
    if revision:
        status = replace(status, update_revision=revision, observed_generation=status.generation)
    judged = verdict(status, live.pods, Absences(live.name), now=now)
    return tuple(each for each in judged.blockers if each.is_trap)


@dataclass(frozen=True, slots=True)
class Checked:
    """What else was looked up for a plan."""

    known_uids: frozenset[str]
    """The StatefulSets of this name that the ledger knows."""

    spec_then: Raw | None
    """The recorded spec beside the template when the revision last ran; None where unknown."""

    there: Mapping[Reference, bool | None]
    """What the template needs, and whether it exists; None where the caller may not look."""

    now: str
    rules: OwnRules = own_rules.NONE
    """The installation's own rules of redaction, for what is shown."""

    policy: Policy = "secrets"
    """How it hides values."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An undo that can be shown, tried and applied.

    `changes` are between redacted templates: they can be shown to anybody. `blockers` are the pods
    on which the rollout would wait for ever.
    """

    live: Live
    target: Candidate
    original: Original
    changes: tuple[Change, ...]
    unchanged: int
    findings: tuple[Finding, ...]
    blockers: tuple[Blocker, ...]

    @property
    def namespace(self) -> str:
        """Where the set is."""
        return str(self.live.raw_set["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """The set's name."""
        return self.live.name

    @property
    def is_there_already(self) -> bool:
        """Whether the set has the template: nothing is to be written."""
        return self.live.template == normal_template(self.original.template)

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What stops the undo unless it is forced."""
        return tuple(each for each in self.findings if each.weight == "refusal")


def planned(live: Live, target: Candidate, original: Original, checked: Checked) -> Plan:
    """The plan for one set and one revision."""
    blockers = blocking(live, now=checked.now, revision=target.name)
    before, after = _hidden(live.template, original.template, checked)
    return Plan(
        live=live,
        target=target,
        original=original,
        changes=diff(before, after),
        unchanged=count_unchanged(before, after),
        findings=worst_first(_findings(live, target, original, checked, blockers)),
        blockers=blockers,
    )


def _findings(
    live: Live,
    target: Candidate,
    original: Original,
    checked: Checked,
    blockers: Sequence[Blocker],
) -> list[Finding]:
    found = [*_of_owners(live), *_of_target(live, target, original, checked)]
    found += stuck(blockers)
    found += _of_references(checked.there)
    found += held_back(live.name, live.status)
    if checked.spec_then is not None:
        found += not_restored(live.raw_set["spec"], checked.spec_then)
        found += claims_kept(live.name, checked.spec_then, live.raw_claims or ())
    found += data_stays(live.raw_set["spec"])
    if live.raw_pods is None:
        found.append(Finding("not-checked", "warning", "pods not checked: forbidden"))
    return found


def _of_owners(live: Live) -> list[Finding]:
    return [
        Finding("owner", "refusal", f"managed by {owner.told}: it may revert this")
        if owner.reverts
        else Finding(
            "owner", "warning", f"managed by {owner.told}: the next one may bring this back"
        )
        for owner in owners(live.raw_set)
    ]


def _of_target(
    live: Live, target: Candidate, original: Original, checked: Checked
) -> list[Finding]:
    found = []
    if original.name_hash == "differs":
        told = f"the template's hash is not the one in the name {target.name}"
        found.append(Finding("target", "warning", told))
    if not checked.known_uids:
        told = "this StatefulSet is not recorded: only live revisions are known, as to kubectl"
        found.append(Finding("target", "note", told))
    elif live.raw_set["metadata"]["uid"] not in checked.known_uids:
        told = "the ledger knows another StatefulSet of this name: is it this cluster's, and fresh?"
        found.append(Finding("target", "warning", told))
    if target.is_ready is not True:
        told = "no pod is known to have been ready on it"
        found.append(Finding("target", "warning", told))
    if target.workload_uid != live.raw_set["metadata"]["uid"]:
        told = f"it is of an earlier StatefulSet of this name ({target.workload_uid[:8]})"
        found.append(Finding("target", "warning", told))
    return found


def _of_references(there: Mapping[Reference, bool | None]) -> list[Finding]:
    found = [
        Finding("reference", "warning", f"{each.told} does not exist: pods will not start")
        for each, exists in there.items()
        if exists is False
    ]
    forbidden = ", ".join(each.told for each, exists in there.items() if exists is None)
    if forbidden:
        found.append(Finding("not-checked", "warning", f"{forbidden} not checked: forbidden"))
    return found


def _hidden(old: Raw, new: Raw, checked: Checked) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both templates without their secrets, under a key that is forgotten at once: what is equal
    stays equal, and nothing of it can be shown.
    """
    key = secrets.token_hex(4), secrets.token_bytes(32)
    redactor = Redactor(checked.policy, *key, checked.rules)
    old_document, new_document = (
        redactor.redact({"spec": {"template": dict(side)}}).document for side in (old, new)
    )
    return old_document["spec"]["template"], new_document["spec"]["template"]
