"""Cases 56 to 67: claims, volumes, and what they are to the pods."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import run
from ledger.envelope import parse
from ledger.reader import LocalReader
from ledger.rollout.claims import Owner, claim_state, readings
from ledger.rollout.retention import Holding, SetWish, if_scaled
from ledger.status import standing, standing_at
from ledger.volumes import findings
from tests.cases import case
from tests.recorded import folded
from tests.stories import Story, revisions, workload


def claims(story: Story, step: str = "", **asked: str) -> list[dict[str, Any]]:
    """The claims as `volumes` shows them, with their findings."""
    rows = story.rows("claim_status", step, **asked)
    return [row | {"findings": findings(row)} for row in rows]


def claim(story: Story, name: str, step: str) -> dict[str, Any]:
    """The living claim of that name."""
    (row,) = (row for row in claims(story, step) if row["claim"] == name)
    return row


@case(56, stream="recorded")
def test_names_full_of_dashes_are_matched_with_known_templates(volumes: Story) -> None:
    row = claim(volumes, "data-log-my-db-0", "create my-db")
    assert (row["template"], row["workload"], row["ordinal"]) == ("data-log", "my-db", 0)
    assert len(list(readings("data-log-my-db-0"))) == 3


@case(57, stream="recorded")
def test_a_set_made_again_takes_the_claims_by_name_and_drift_is_a_finding(
    volumes: Story,
) -> None:
    step = "make it again, larger"
    row = claim(volumes, "data-log-my-db-1", step)
    assert (row["status"], row["pod"], row["drift"]) == ("mounted", "my-db-1", "size")
    assert row["readopted_from"] == workload(volumes, "my-db", "predecessor", step)[0]
    assert "drift: template asks 2Gi, claim has 1Gi" in row["findings"]


@case(58, stream="recorded")
def test_other_claim_templates_by_orphan_and_recreate_are_one_story(
    volumes: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workload(volumes, "later", "generation") == (2,)
    step = "make it again with other claims"
    generations = volumes.select(
        """
        select field, old, new from spec_changes join workloads on workloads.uid = workload_uid
        where workloads.name = 'my-db' and field like 'volumeClaimTemplates%'""",
        step,
    )
    assert generations
    ledger = str(volumes.ledger(step))
    asked = ["history", "sts/my-db", "-n", "default", "--all-incarnations", "--ledger", ledger]
    assert run([*asked, "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["items"]
    assert len({row["workload_uid"] for row in rows}) == 3


@case(59, stream="recorded")
def test_a_claim_enlarged_by_hand_is_told_and_new_ordinals_have_the_old_size(
    volumes: Story,
) -> None:
    row = claim(volumes, "data-log-my-db-0", "enlarge a claim by hand")
    assert (row["first_asked"], row["asked"], row["enlarged"]) == ("1Gi", "3Gi", 1)
    assert row["findings"] == ["enlarged by hand: 1Gi → 3Gi, template asks 1Gi"]
    other = claim(volumes, "data-log-my-db-2", "scale up, back on the old volume")
    assert other["asked"] == "1Gi"


@case(60, stream="recorded")
def test_the_policy_decides_by_owner_and_the_garbage_collector_deletes(volumes: Story) -> None:
    scaled = {row["claim"]: row for row in claims(volumes, "scale away a claim", deleted="yes")}
    assert scaled["data-brief-2"]["deleted_why"] == "retention whenScaled"
    assert json.loads(scaled["data-brief-2"]["owners"])[0]["kind"] == "Pod"
    gone = {row["claim"]: row for row in claims(volumes, deleted="yes")}
    for name in ("data-brief-0", "data-brief-1"):
        assert gone[name]["deleted_why"] == "retention whenDeleted"
        assert json.loads(gone[name]["owners"])[0]["kind"] == "StatefulSet"


@case(61, stream="recorded")
def test_the_policy_at_the_time_of_the_decision_is_kept(volumes: Story) -> None:
    step = "keep the claims after all"
    rows = {row["claim"]: row for row in claims(volumes, step, deleted="yes")}
    gone = rows["data-brief-2"]
    assert (gone["decided_when_deleted"], gone["decided_when_scaled"]) == ("Delete", "Delete")
    assert workload(volumes, "brief", "when_deleted, when_scaled", step) == ("Retain", "Delete")
    assert "(whenDeleted Delete, whenScaled Delete then)" in gone["findings"][-1]


@case(62, stream="recorded")
def test_a_claim_in_use_is_terminating_and_not_deleted(volumes: Story) -> None:
    row = claim(volumes, "data-log-my-db-1", "delete a claim in use")
    assert (row["status"], row["pod"], row["deleted_at"]) == ("terminating", "my-db-1", None)
    assert row["finalizers"] == "kubernetes.io/pvc-protection"
    assert row["deleted_why"] == "by hand"


@case(63, stream="constructed")
def test_a_claim_owned_by_a_pod_of_another_uid_is_left_alone_with_the_reason() -> None:
    wish = SetWish("set", "web", "Retain", "Delete", range(3))
    holding = Holding(
        name="data-web-2",
        ordinal=2,
        owners=(Owner("Pod", "web-2", "dead", is_controller=True),),
        finalizers=("kubernetes.io/pvc-protection",),
        is_terminating=False,
        pod="web-2",
        pod_uid="alive",
        volume="pv-1",
        reclaim_policy="Retain",
    )
    (stale,) = if_scaled(wish, [holding], 2, gone=frozenset())
    assert (stale.outcome, stale.why) == (
        "KEPT",
        "the controller leaves alone what Pod web-2 of another uid owns",
    )
    (orphaned,) = if_scaled(wish, [holding], 2, gone=frozenset({"dead"}))
    assert (orphaned.outcome, orphaned.why) == ("DELETED", "its owner Pod web-2 is gone already")


@case(63, stream="constructed")
def test_scaled_up_again_too_soon_a_pod_waits_for_the_claim_of_the_one_before(
    volumes: Story, tmp_path: Path
) -> None:
    told = scaled_up_too_soon(volumes)
    reader, bodies = LocalReader(folded(told.values, tmp_path / "l.db")), told.values.__getitem__
    now = standing(reader, told.uid)
    assert (now.verdict.phase, now.verdict.blockers) == ("progressing", ())
    assert now.stale == standing_at(reader, bodies, told.uid, told.at).stale
    claim = now.stale[2]
    assert (claim.claim, claim.owner.kind, claim.owner.name) == ("data-brief-2", "Pod", "brief-2")
    later = standing_at(reader, bodies, told.uid, "2026-11-24T00:00:00.000000Z")
    (blocker,) = later.verdict.blockers
    assert (later.verdict.phase, blocker.pod, blocker.reason) == (
        "stalled",
        "brief-2",
        "StaleClaim",
    )
    assert blocker.message == (
        f"claim data-brief-2 is owned by an earlier Pod brief-2 (uid {claim.owner.uid}): "
        "no pod is made until the claim is gone"
    )


@case(63, stream="constructed")
@pytest.mark.parametrize("ends", ["gone", "let go"])
def test_once_the_claim_is_no_earlier_pods_nothing_is_waited_for_but_then_it_was(
    volumes: Story, tmp_path: Path, ends: str
) -> None:
    told = scaled_up_too_soon(volumes)
    values = [*told.values, told.gone if ends == "gone" else told.let_go]
    reader = LocalReader(folded(values, tmp_path / "l.db"))
    assert standing(reader, told.uid).stale == {}
    assert list(standing_at(reader, values.__getitem__, told.uid, told.at).stale) == [2]


@dataclass(frozen=True)
class TooSoon:
    """The records of brief until its claim is to go and its pod is gone, and it is scaled up again
    at that time; and two ends: the claim goes, or somebody takes its owner off it.
    """

    values: list[bytes]
    uid: str
    at: str
    gone: bytes
    let_go: bytes


def scaled_up_too_soon(volumes: Story) -> TooSoon:
    """What could have been recorded of brief."""
    told = list(enumerate(map(parse, volumes.values)))
    of_claim = [(n, each) for n, each in told if each.subject.endswith("/data-brief-2")]
    gone, end = next((n, each) for n, each in of_claim if each.fact == "deleted")
    going, claim_then = next(
        (n, each)
        for n, each in of_claim
        if each.fact == "state" and "deletionTimestamp" in each.data["metadata"]
    )
    last, set_then = next(
        (n, each)
        for n, each in reversed(told[:going])
        if each.fact == "state" and each.subject.endswith("sets/default/brief")
    )
    raw_set, raw_claim = set_then.data, claim_then.data
    raw_set["spec"]["replicas"] = 3
    raw_set["metadata"]["generation"] += 1
    raw_set["status"]["observedGeneration"] += 1
    del raw_claim["metadata"]["ownerReferences"]
    scaled = again(volumes.values[last], raw_set, claim_then.time)
    return TooSoon(
        values=[*volumes.values[: going + 1], scaled],
        uid=set_then.objectuid,
        at=claim_then.time,
        gone=volumes.values[gone],
        let_go=again(volumes.values[going], raw_claim, end.time),
    )


def again(value: bytes, data: dict[str, Any], at: str) -> bytes:
    """The record of the object's next state, seen at that time."""
    record = json.loads(value)
    version = str(int(record["resourceversion"]) + 1)
    data["metadata"]["resourceVersion"] = version
    record |= {
        "id": f"{record['objectuid']}/{version}/{'0' * 16}",
        "resourceversion": version,
        "time": at,
        "data": data,
    }
    return json.dumps(record, sort_keys=True).encode()


@case(64, stream="recorded")
def test_a_released_volume_breaks_the_lineage_of_the_name(volumes: Story) -> None:
    step = "its pod goes and it gets another volume"
    new = claim(volumes, "data-log-my-db-1", step)
    (old,) = (row for row in claims(volumes, step, deleted="yes") if row["deleted_at"])
    assert old["claim"] == new["claim"]
    assert (old["volume_phase"], new["volume_before"]) == ("Released", old["volume"])
    assert new["volume"] != old["volume"]
    assert f"not the volume my-db-1 had before: {old['volume']}, Released" in new["findings"]


@case(65, stream="recorded")
def test_a_cleared_claim_ref_lets_the_volume_come_back(volumes: Story) -> None:
    freed = {
        row["claim"]: row for row in claims(volumes, "clear the claimRef by hand", deleted="yes")
    }
    assert freed["data-log-my-db-2"]["volume_phase"] == "Available"
    row = claim(volumes, "data-log-my-db-2", "scale up, back on the old volume")
    assert (row["rebound"], row["volume"]) == (1, freed["data-log-my-db-2"]["volume"])
    assert row["findings"][0].startswith("back on the volume of the claim before it")


@case(66, stream="recorded")
def test_down_and_up_again_is_a_gap_in_use_and_no_new_volume(volumes: Story) -> None:
    step = "scale up, the same claims"
    before = claim(volumes, "data-log-my-db-2", "create my-db")
    after = claim(volumes, "data-log-my-db-2", step)
    same = ("claim_uid", "volume", "status")
    assert [before[name] for name in same] == [after[name] for name in same]
    used = volumes.select(
        "select from_at, to_at from mounts where claim_uid = :uid order by from_at",
        step,
        uid=after["claim_uid"],
    )
    (first, second) = used
    assert first[1] is not None
    assert first[1][:19] <= second[0][:19]
    assert second[1] is None


@case(67, stream="constructed")
def test_claims_with_a_revision_and_revisions_with_claim_templates_are_read(
    rollouts: Story, tmp_path: Path
) -> None:
    labelled = {"labels": {"controller-revision-hash": "web-1"}, "name": "data-web-0"}
    assert claim_state({"metadata": labelled, "spec": {}, "status": {}}).revision == "web-1"
    template = b'"data":{"spec":{"template":{'
    claim_templates = (
        b'"data":{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"d"}}],"template":{'
    )
    later = [value.replace(template, claim_templates) for value in rollouts.values]
    assert later != rollouts.values
    ledger = folded(later, tmp_path / "ledger.db")
    story = rollouts.select("select name, number, trigger from revisions order by name, number")
    found = sqlite3.connect(ledger).execute(
        "select name, number, trigger from revisions order by name, number"
    )
    assert found.fetchall() == story
    assert revisions(rollouts, "plain", "number")
