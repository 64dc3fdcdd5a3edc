"""Cases 17 to 22 and 30 to 36: what Kubernetes forgets, and what makes no revision."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cli import run
from tests.cases import case
from tests.normal_form import normal_form
from tests.recorded import folded
from tests.stories import Story, revisions, workload
from tests.test_cases_revisions import listed


@case(18, stream="recorded")
def test_a_limit_of_none_leaves_what_lives_and_nothing_to_undo_to(lesson: Story) -> None:
    step = "nothing to undo to"
    assert len(listed(lesson, step)) == 1
    live = [n for n, is_live in revisions(lesson, "web", "number, live", step) if is_live]
    assert [str(number) for number in live] == listed(lesson, step)
    assert len(revisions(lesson, "web", "number", step)) > 20


@case(20, stream="recorded")
def test_the_lowest_numbers_go_first_and_keep_their_templates(lesson: Story) -> None:
    step = "keep two old revisions only"
    columns = "number, live, pruned_why, template_id"
    found = revisions(lesson, "web", columns, step)
    gone = [number for number, _, why, _ in found if why == "history limit 2"]
    kept = [number for number, live, _, _ in found if live]
    assert gone
    assert max(gone) < min(kept)
    assert all(template for _, _, _, template in found)


@case(21, stream="recorded")
def test_a_revision_deleted_by_hand_is_not_called_pruned_by_the_limit(lesson: Story) -> None:
    found = revisions(lesson, "web", "number, pruned_why", "delete the newest revision by hand")
    by_hand = [why for _, why in found if why and "hand" in why]
    assert len(by_hand) == 1


@case(30, stream="recorded")
def test_a_cause_written_later_is_kept_as_late(lesson: Story) -> None:
    columns = "change_cause, change_cause_state"
    assert revisions(lesson, "web", columns, "deploy 1.29")[-1][1] != "late"
    assert revisions(lesson, "web", columns, "say why, later")[-1] == ("CHG-42: 1.29", "late")


@case(31, stream="recorded")
def test_an_undo_does_not_repeat_the_old_cause_as_its_own(lesson: Story) -> None:
    step = "undo to revision 1"
    number, trigger, cause, state = revisions(
        lesson, "web", "number, trigger, change_cause, change_cause_state", step
    )[-1]
    assert (number, trigger, cause) == (6, "undo", "initial 1.24")
    assert state == "stale"


@case(32, stream="recorded")
def test_a_cause_inside_the_template_makes_a_revision_and_is_no_cause(rollouts: Story) -> None:
    step = "a cause in the template"
    trigger, cause, summary = revisions(rollouts, "plain", "trigger, change_cause, summary", step)[
        -1
    ]
    assert (trigger, cause) == ("change", None)
    assert summary == "annotation kubernetes.io/change-cause added"


@case(33, stream="recorded")
def test_a_cause_with_control_characters_stays_on_one_line_and_is_kept_as_it_was(
    rollouts: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    step = "a cause with a line break, a tab and an escape"
    assert revisions(rollouts, "plain", "change_cause", step)[-1] == ("one\ttwo\nthree\x1b[31m",)
    ledger = str(rollouts.ledger(step))
    assert run(["history", "sts/plain", "-n", "default", "--ledger", ledger]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if "three" in line)
    assert line.isprintable()


@case(34, stream="recorded")
def test_changes_beside_the_template_are_history_without_a_number(rollouts: Story) -> None:
    fields = dict(rollouts.select("select field, new from spec_changes"))
    assert {
        "replicas",
        "updateStrategy.rollingUpdate.partition",
        "minReadySeconds",
        "persistentVolumeClaimRetentionPolicy.whenScaled",
        "revisionHistoryLimit",
        "ordinals.start",
    } <= fields.keys()
    before = revisions(
        rollouts, "plain", "number", "a cause with a line break, a tab and an escape"
    )
    assert revisions(rollouts, "plain", "number", "limit, readiness and retention") == before


@case(35, stream="recorded")
def test_an_annotation_alone_is_recorded_and_is_no_change(lesson: Story) -> None:
    before, after = "undo the rotation", "label the set only"
    assert revisions(lesson, "web", "number", after) == revisions(lesson, "web", "number", before)
    assert workload(lesson, "web", "generation", after) == workload(
        lesson, "web", "generation", before
    )
    records = "select count(*) from observations where fact = 'state'"
    assert lesson.select(records, after) > lesson.select(records, before)
    assert "shop" in workload(lesson, "web", "labels", after)[0]


@case(36, stream="recorded")
def test_status_updates_make_no_entries_and_hardly_any_rows(lesson: Story) -> None:
    (records,) = lesson.select(
        "select count(*) from observations join objects on objects.id = observations.object_id"
        " where objects.kind = 'statefulsets' and observations.fact = 'state'"
    )[0]
    ((rows, specs),) = lesson.select(
        "select count(*), count(distinct object_id || ' ' || generation) from set_states"
    )
    assert records > 150
    assert specs <= rows < records / 1.5


@case(68, stream="recorded")
def test_records_that_come_twice_change_nothing(rollouts: Story, tmp_path: Path) -> None:
    states = [value for value in rollouts.values if b'"type":"rollout-ledger.state' in value]
    assert len(states) > 500
    twice = folded([*rollouts.values, *states[:300]], tmp_path / "twice.db")
    assert normal_form(twice) == normal_form(rollouts.ledger())


@case(72, stream="recorded")
def test_the_servers_second_and_the_moment_of_seeing_are_kept_apart(rollouts: Story) -> None:
    found = rollouts.select("select created_at, observed_at from revisions where created_at <> ''")
    assert len(found) >= 40
    assert all(created.endswith(".000000Z") or len(created) == 20 for created, _ in found)
    assert all(created[:19] <= seen[:19] for created, seen in found)
    assert any(not seen.endswith(".000000Z") for _, seen in found)
