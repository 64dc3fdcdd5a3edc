"""Cases 1 to 16 and 23 to 29: which revisions there are, and what they are to each other."""

from __future__ import annotations

from tests.cases import case
from tests.stories import Story, pods, revisions, workload

CHANGE_CAUSE = "kubernetes.io/change-cause"


def listed(story: Story, step: str, name: str = "web") -> list[str]:
    """The numbers that kubectl listed."""
    (told,) = (
        each for each in story.chapters[step].told if (each.verb, each.name) == ("history", name)
    )
    return [line.split()[0] for line in told.stdout.splitlines()[2:] if line]


@case(1, stream="recorded")
def test_a_new_set_has_one_revision_that_is_current_and_update(rollouts: Story) -> None:
    step = "plain, with no word on how to update"
    assert revisions(rollouts, "plain", "number, trigger", step) == [(1, "create")]
    current, update = workload(rollouts, "plain", "current_revision, update_revision", step)
    assert current == update == revisions(rollouts, "plain", "revisions.name", step)[0][0]


@case(2, stream="recorded")
def test_an_edit_gives_the_next_number_and_pods_follow_from_the_highest_ordinal(
    rollouts: Story,
) -> None:
    step = "a plain rollout"
    assert revisions(rollouts, "plain", "number, trigger", step) == [(1, "create"), (2, "change")]
    made = rollouts.select(
        "select ordinal from pod_runs where name like 'plain-%' order by created_at, observed_at",
        step,
    )
    assert made == [(0,), (1,), (2,), (2,), (1,), (0,)]


@case(3, stream="recorded")
def test_a_template_that_returns_is_a_third_number_and_says_where_it_came_from(
    lesson: Story,
) -> None:
    found = revisions(lesson, "web", "number, trigger, undo_of, revision_uid", "undo to 1.25")
    assert [row[:3] for row in found] == [
        (1, "create", None),
        (2, "change", None),
        (3, "change", None),
        # It took a variable away: that looks the same when somebody does it by hand.
        (4, "return", 2),
    ]
    assert lesson.select("select trigger from revisions where number = 5", "undo the undo") == [
        ("undo",)
    ]
    assert found[3][3] == found[1][3]


@case(4, stream="recorded")
def test_two_undos_leave_five_entries_though_kubectl_lists_fewer(lesson: Story) -> None:
    step = "undo the undo"
    found = revisions(lesson, "web", "number, undo_of", step)
    assert found == [(1, None), (2, None), (3, None), (4, 2), (5, 3)]
    assert listed(lesson, step) == ["1", "4", "5"]


@case(5, stream="recorded")
def test_a_number_consumed_by_a_bump_still_tells_its_template(lesson: Story) -> None:
    step = "undo the undo"
    found = dict(revisions(lesson, "web", "number, template_id", step))
    assert found[2] == found[4]
    assert "2" not in listed(lesson, step)


@case(6, stream="recorded")
def test_templates_replaced_before_the_controller_looked_are_changes_without_a_number(
    lesson: Story,
) -> None:
    step = "six quick edits"
    quick = lesson.select(
        "select generation from spec_changes where field = 'template' order by generation", step
    )
    assert quick
    numbered = {row[0] for row in revisions(lesson, "web", "revisions.generation", step)}
    assert not numbered & {row[0] for row in quick}


@case(7, stream="recorded")
def test_an_undo_in_the_same_breath_is_an_entry_only_if_it_made_a_revision(
    rollouts: Story,
) -> None:
    before = revisions(rollouts, "plain", "number, template_id", "there and back in one breath")
    found = revisions(rollouts, "plain", "number, template_id, undo_of", "two undos in one breath")
    made = found[len(before) :]
    # This control plane had made the revision before the second undo asked for it.
    assert [undo_of for _, _, undo_of in made] == [3, 4]
    assert made[-1][1] == before[-1][1]
    assert listed(rollouts, "two undos in one breath", "plain") == ["1", "5", "6"]


@case(8, stream="recorded")
def test_an_undo_to_the_current_template_is_no_entry(lesson: Story) -> None:
    columns = "number, revisions.generation"
    before = revisions(lesson, "web", columns, "undo to a revision that never was")
    after = revisions(lesson, "web", columns, "undo to what is live already")
    assert before == after
    generation = workload(lesson, "web", "generation", "undo to a revision that never was")
    assert workload(lesson, "web", "generation", "undo to what is live already") == generation


@case(9, stream="recorded")
def test_a_bump_is_a_new_number_of_the_same_revision_and_edits_no_history(lesson: Story) -> None:
    before = revisions(lesson, "web", "number, trigger, template_id", "undo to 1.25")
    after = revisions(lesson, "web", "number, trigger, template_id", "undo the undo")
    assert after[: len(before)] == before
    assert len({row[2] for row in after}) == 3


@case(16, stream="recorded")
def test_restarts_are_named_so_and_push_real_revisions_out(rollouts: Story) -> None:
    step = "and a fourth time"
    found = revisions(rollouts, "plain", "number, trigger, pruned_why", step)
    assert [row[1] for row in found[-4:]] == ["restart"] * 4
    assert [row for row in found if row[2] == "history limit 4"] != []
    assert all(trigger != "restart" for _, trigger, why in found if why == "history limit 4")


@case(23, stream="recorded")
def test_deletion_closes_an_incarnation_and_keeps_its_revisions_and_claims(
    volumes: Story,
) -> None:
    step = "delete my-db, the claims stay"
    (deleted_at,) = workload(volumes, "my-db", "deleted_at", step)
    assert deleted_at is not None
    assert revisions(volumes, "my-db", "number, live, pruned_why", step) == [(1, 0, "set deleted")]
    claims = volumes.rows("claim_status", step)
    assert [(row["ordinal"], row["status"]) for row in claims] == [
        (ordinal, "left behind") for ordinal in range(3)
    ]


@case(24, stream="recorded")
def test_a_set_made_again_counts_from_1_with_the_same_name_and_another_uid(
    rollouts: Story,
) -> None:
    found = rollouts.select(
        """
        select revisions.name, revisions.revision_uid, workloads.uid, workloads.predecessor
        from revisions join workloads on workloads.uid = revisions.workload_uid
        where workloads.name = 'plain' and number = 1 order by revisions.observed_at"""
    )
    (name, uid, owner, none), (same, other_uid, other_owner, predecessor) = found
    assert none is None
    assert (name, owner) == (same, predecessor)
    assert uid != other_uid
    assert owner != other_owner


@case(25, stream="recorded")
def test_orphaned_revisions_and_pods_are_adopted_and_the_numbers_go_on(lesson: Story) -> None:
    step = "adopt them with the first manifest"
    found = revisions(lesson, "web", "number, trigger", step)
    assert ("adopted") in {trigger for _, trigger in found}
    numbers = [number for number, _ in found]
    assert numbers == sorted(numbers)
    assert numbers[0] > 20
    assert len(pods(lesson, "web", "name", step)) == 4


@case(26, stream="recorded")
def test_revisions_of_a_daemon_set_are_nobodys(rollouts: Story) -> None:
    assert rollouts.select("select name from workloads where name = 'agent'") == []
    assert rollouts.select("select name from revisions where name like 'agent-%'") == []


@case(27, stream="recorded")
def test_sets_with_the_same_selector_keep_their_own_pods_and_revisions(rollouts: Story) -> None:
    for name in ("left", "right"):
        assert pods(rollouts, name, "name") == [(f"{name}-0",)]
        assert [
            row[0].rpartition("-")[0] for row in revisions(rollouts, name, "revisions.name")
        ] == [name]


@case(28, stream="recorded")
def test_a_label_edited_by_hand_is_kept_beside_the_revision_it_was_made_from(
    rollouts: Story,
) -> None:
    found = rollouts.select(
        "select made_revision, revision, name from pod_runs where revision = 'handmade'"
    )
    ((made, revision, name),) = found
    assert (revision, name) == ("handmade", "plain-1")
    assert made == revisions(rollouts, "plain", "revisions.name", "and a fourth time")[-1][0]


@case(29, stream="recorded")
def test_a_label_of_the_template_is_a_change_and_older_revisions_stay_listed(
    rollouts: Story,
) -> None:
    step = "a label in the template"
    number, trigger, summary = revisions(rollouts, "plain", "number, trigger, summary", step)[-1]
    assert (number, trigger, summary) == (7, "change", "label tier front added")
    assert len(listed(rollouts, step, "plain")) == 4
