"""What an undo will and will not bring about, told from the objects as they are; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ledger.rollout.claims import bytes_of, claim_state, claim_templates
from ledger.rollout.sets import ON_DELETE, SetStatus
from ledger.rollout.verdict import Blocker, targeted_ordinals
from ledger.spec_fields import changes
from ledger.undo.findings import Finding

IMMUTABLE = ("volumeClaimTemplates", "selector", "serviceName", "podManagementPolicy")
NAMES_SHOWN = 8


def not_restored(spec_now: Mapping[str, Any], spec_then: Mapping[str, Any]) -> Iterator[Finding]:
    """What differs beside the template since then, and stays as it is."""
    for change in changes(spec_then, _without_template(spec_now)):
        is_partial = change.field.startswith(IMMUTABLE)
        yield Finding("not-restored", "warning" if is_partial else "note", change.kept())


def claims_kept(
    set_name: str, spec_then: Mapping[str, Any], raw_claims: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """Claims that are larger than the claim templates of then asked for: nothing shrinks them."""
    sizes = {each.name: each.asked for each in claim_templates({"spec": dict(spec_then)})}
    for raw_claim in raw_claims:
        name, state = str(raw_claim["metadata"]["name"]), claim_state(raw_claim)
        template = next((each for each in sizes if name.startswith(f"{each}-{set_name}-")), None)
        then, now = bytes_of(sizes[template]) if template else None, bytes_of(state.asked)
        if template is not None and then is not None and now is not None and now > then:
            told = f"claim {name} has {state.asked}, {sizes[template]} was asked for then: "
            yield Finding("claim", "warning", f"{told}claims never shrink")


def data_stays(spec_now: Mapping[str, Any]) -> Iterator[Finding]:
    """Volumes keep what was written to them since."""
    if spec_now.get("volumeClaimTemplates"):
        yield Finding("data", "note", "data on the volumes is not rolled back")


def held_back(set_name: str, status: SetStatus) -> Iterator[Finding]:
    """The pods that the controller will not move to the restored template, by ordinal."""
    targeted = targeted_ordinals(status)
    kept = [f"{set_name}-{ordinal}" for ordinal in status.ordinals if ordinal not in targeted]
    if not kept:
        return
    if status.strategy == ON_DELETE:
        told = f"OnDelete: {_some(kept)} take it only once they are deleted"
    else:
        told = f"partition {status.update_partition}: {_some(kept)} will not take it"
    yield Finding("held-back", "warning", told)


def stuck(blockers: Sequence[Blocker]) -> Iterator[Finding]:
    """What the blocking pods mean."""
    for each in blockers:
        told = f"{each.pod} is {each.reason} on {each.revision} and will not be replaced by itself"
        yield Finding("stuck", "warning", f"{told} (kubernetes#67250): --unstick deletes it")


def _without_template(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name != "template"}


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    rest = len(names) - NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
