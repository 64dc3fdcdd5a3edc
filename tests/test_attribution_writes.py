"""Who made a spec write, rule by rule: one write, and what the audit log may hold beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.attribution import authors_of_write
from ledger.diff import Change, Field, Key, Segment
from ledger.evidence import Action, Evidence, Write

UID = "11111111-1111-1111-1111-111111111111"
APP: tuple[Segment, ...] = (
    *map(Field, ("spec", "template", "spec", "containers")),
    Key((("name", "app"),)),
)
IMAGE = (*APP, Field("image"))
ENV = (*APP, Field("env"), Key((("name", "LEVEL"),)))
REPLICAS = (Field("spec"), Field("replicas"))


def at(seconds: float) -> str:
    """An instant of one minute."""
    return f"2026-11-26T10:00:{seconds:09.6f}Z"


def manager(name: str = "kubectl-set", **changed: Any) -> dict[str, Any]:
    """A managedFields entry that owns the container's image."""
    app: dict[str, Any] = {".": {}, "f:name": {}, "f:image": {}}
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': app}}}}}
    entry = {"manager": name, "operation": "Update", "time": "2026-11-26T10:00:10Z"}
    return entry | {"apiVersion": "apps/v1", "fieldsV1": fields} | changed


WRITE = Write(
    uid=UID,
    version=200,
    generation=5,
    observed_at=at(10.02),
    position=77,
    managers=(manager(),),
    replicas=3,
    before_generation=4,
    managers_before=(manager(time="2026-11-26T09:00:00Z"),),
    changes=(Change(IMAGE, "changed", "a:1", "a:2"),),
)
ALICE = Action(
    position=1,
    level="RequestResponse",
    user="alice",
    impersonated="",
    manager="kubectl-set",
    verb="patch",
    subresource="",
    uid=UID,
    version=200,
    generation=5,
    code=200,
    received_at=at(10.0),
    completed_at=at(10.01),
    replicas=None,
    apply=False,
    touched=("/spec/template/spec/containers/*/image",),
    removed=(),
)
BOB = replace(ALICE, position=2, user="bob")
CLAIMED = Evidence("manager", "kubectl-set", "", "claimed", 77)


def untold(action: Action, **changed: Any) -> Action:
    """The same request where the policy logs no bodies."""
    return replace(
        action, level="Metadata", uid="", version=None, generation=None, touched=(), **changed
    )


def named(write: Write, *actions: Action) -> tuple[str, str] | None:
    """Whom the requests name, and on what basis."""
    found = [each for each in authors_of_write(write, actions) if each.source == "audit"]
    assert len(found) <= 1
    return (found[0].actor, found[0].basis) if found else None


def test_the_one_request_that_answered_with_the_version_and_owns_the_field_made_it() -> None:
    proof = Evidence("audit", "alice", "", "exact", 1)
    assert authors_of_write(WRITE, [ALICE]) == [proof, CLAIMED]


def test_without_a_request_there_is_only_what_a_client_calls_itself() -> None:
    assert authors_of_write(WRITE, []) == [CLAIMED]


def test_who_impersonates_is_kept_beside_whom() -> None:
    (proof, _) = authors_of_write(WRITE, [replace(ALICE, impersonated="carol")])
    assert (proof.actor, proof.impersonated, proof.basis) == ("alice", "carol", "exact")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(BOB, uid="another"), id="another object"),
        pytest.param(replace(BOB, version=199, generation=4), id="an earlier version"),
        pytest.param(replace(BOB, version=201), id="a later version"),
        pytest.param(replace(BOB, verb="delete"), id="a deletion"),
        pytest.param(replace(BOB, manager="kubectl-edit"), id="another field manager"),
        pytest.param(replace(BOB, subresource="scale"), id="a scale, of an image"),
        pytest.param(replace(BOB, replicas=4), id="other replicas than it has now"),
        pytest.param(replace(BOB, received_at=at(11), completed_at=at(11.1)), id="a later second"),
    ],
)
def test_a_request_that_cannot_have_made_it_is_not_named(other: Action) -> None:
    assert named(WRITE, other) is None
    assert named(WRITE, ALICE, other) == ("alice", "exact")


def test_a_request_of_an_earlier_second_than_the_fields_cannot_have_made_it() -> None:
    assert named(WRITE, replace(BOB, received_at=at(9.5), completed_at=at(9.9))) is None


def test_a_no_op_that_came_in_when_the_write_was_done_is_not_named() -> None:
    late = replace(BOB, received_at=at(10.011), completed_at=at(10.015))
    assert named(WRITE, ALICE, late) == ("alice", "exact")
    assert named(WRITE, late, ALICE) == ("alice", "exact")


def test_an_answer_with_the_version_that_was_to_be_written_over_tells_of_a_no_op() -> None:
    assert named(WRITE, replace(BOB, required_version=200)) is None
    assert named(WRITE, replace(BOB, required_version=199)) == ("bob", "exact")
    assert named(WRITE, ALICE, replace(BOB, required_version=200)) == ("alice", "exact")


def test_a_no_op_that_came_in_when_the_write_was_seen_is_not_named_even_alone() -> None:
    late = replace(BOB, received_at=at(10.0701), completed_at=at(10.08))
    assert named(WRITE, late) is None
    # Clocks may be that far apart.
    assert named(WRITE, replace(late, received_at=at(10.07))) == ("bob", "exact")


def test_of_two_at_once_nobody_is_named() -> None:
    assert named(WRITE, ALICE, BOB) is None
    # At the very end of the other is still at once.
    assert named(WRITE, ALICE, replace(BOB, received_at=at(10.01))) is None


def test_two_of_one_user_leave_no_doubt_about_the_user_but_are_no_proof() -> None:
    again = replace(ALICE, position=3, received_at=at(10.005))
    assert named(WRITE, again, ALICE) == ("alice", "probable")
    as_carol = replace(again, impersonated="carol")
    assert named(WRITE, ALICE, as_carol) is None


def test_the_first_of_one_users_requests_is_the_evidence() -> None:
    again = replace(ALICE, position=3, received_at=at(10.005))
    assert authors_of_write(WRITE, [again, ALICE])[0].position == 1


def test_times_of_managers_are_whole_seconds_within_the_request() -> None:
    long = replace(ALICE, received_at=at(9.9), completed_at=at(10.0))
    assert named(WRITE, long) == ("alice", "exact")
    untimed = replace(WRITE, managers=(manager(time=""),))
    assert named(untimed, ALICE) == ("alice", "exact")


def test_a_client_without_any_name_is_the_unknown_manager() -> None:
    nameless = replace(WRITE, managers=(manager("unknown"),))
    assert named(nameless, replace(ALICE, manager="")) == ("alice", "exact")
    assert named(nameless, ALICE) is None


def test_every_change_must_be_its_own() -> None:
    both = replace(WRITE, changes=(*WRITE.changes, Change(REPLICAS, "changed", 2, 3)))
    assert named(both, ALICE) == ("alice", "probable"), "nobody owns the replicas"
    another = manager("scaler", fieldsV1={"f:spec": {"f:replicas": {}}})
    assert named(replace(both, managers=(manager(), another)), ALICE) is None


def test_what_the_server_fills_in_belongs_to_nobody_after_an_apply() -> None:
    both = replace(WRITE, changes=(*WRITE.changes, Change(REPLICAS, "changed", 2, 3)))
    applied = replace(both, managers=(manager(operation="Apply"),))
    assert named(applied, replace(ALICE, apply=True)) == ("alice", "exact")
    # A merge patch may name a kind too.
    assert named(both, replace(ALICE, apply=True)) == ("alice", "probable")
    nothing_told = replace(both, managers=())
    assert named(nothing_told, replace(ALICE, apply=True)) == ("alice", "probable")


def test_what_two_keys_hide_says_nothing() -> None:
    hidden = Change(REPLICAS, "changed", 2, 3, comparable=False)
    assert named(replace(WRITE, changes=(*WRITE.changes, hidden)), ALICE) == ("alice", "exact")
    assert named(replace(WRITE, changes=(hidden,)), ALICE) == ("alice", "probable")


REMOVAL = replace(WRITE, changes=(Change(ENV, "removed", {"name": "LEVEL"}, None),))
REMOVES = "/spec/template/spec/containers/*/env/*"


@pytest.mark.parametrize(
    ("asked", "basis"),
    [
        pytest.param({"removed": (REMOVES,), "touched": ()}, "exact", id="takes it away"),
        pytest.param({"touched": ("/spec/template",)}, "exact", id="sets what held it"),
        pytest.param({"touched": ("/spec/replicas",)}, None, id="is about something else"),
        pytest.param({"touched": (), "removed": ()}, "probable", id="cannot be told"),
        pytest.param({}, "probable", id="names an item of its list, which a merge patch replaces"),
        pytest.param({"verb": "update", "touched": ()}, "exact", id="writes the whole object"),
        pytest.param(
            {"touched": ("/spec/template/spec/*",)}, "probable", id="names what may be it"
        ),
        pytest.param({"touched": ("/spec/x", "/*")}, "probable", id="names more than is told"),
        pytest.param(
            {"apply": True, "touched": (REMOVES,)}, "exact", id="only looks like an apply"
        ),
    ],
)
def test_a_field_that_went_was_taken_by_a_request_that_takes_it(
    asked: dict[str, Any], basis: str | None
) -> None:
    assert named(REMOVAL, replace(ALICE, **asked)) == (("alice", basis) if basis else None)


@pytest.mark.parametrize(
    ("name", "operation", "basis"),
    [("me", "Apply", "exact"), ("me", "Update", None), ("you", "Apply", None)],
)
def test_an_apply_takes_away_what_its_manager_had_applied(
    name: str, operation: str, basis: str | None
) -> None:
    item: dict[str, Any] = {'k:{"name":"LEVEL"}': {".": {}, "f:name": {}, "f:value": {}}}
    app = {'k:{"name":"app"}': {"f:env": item}}
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": app}}}}
    before = (manager(name, operation=operation, fieldsV1=fields),)
    applied = replace(ALICE, apply=True, manager="me")
    after = (manager("me", operation="Apply"),)
    told = named(replace(REMOVAL, managers_before=before, managers=after), applied)
    assert told == (("alice", basis) if basis else None)


SCALE = replace(
    WRITE,
    changes=(Change(REPLICAS, "changed", 2, 3),),
    managers=(
        manager("kubectl", subresource="scale", time="", fieldsV1={"f:spec": {"f:replicas": {}}}),
    ),
)
SCALES = replace(
    ALICE, subresource="scale", manager="kubectl", replicas=3, touched=("/spec/replicas",)
)


def test_a_scale_is_proven_by_uid_version_and_replicas() -> None:
    assert named(SCALE, SCALES) == ("alice", "exact")
    assert named(SCALE, replace(SCALES, replicas=2)) is None
    assert named(SCALE, replace(SCALES, replicas=None)) == ("alice", "probable")
    assert named(SCALE, replace(SCALES, uid="another")) is None
    assert named(SCALE, replace(SCALES, version=201)) is None


def test_a_scale_to_none_is_proven_though_nobody_owns_its_replicas() -> None:
    none = replace(SCALE, replicas=0, managers=())
    assert named(none, replace(SCALES, replicas=0)) == ("alice", "exact")


def test_a_scale_that_another_manager_owns_is_not_its_own() -> None:
    patched = replace(SCALE, managers=(manager(fieldsV1={"f:spec": {"f:replicas": {}}}),))
    assert named(patched, SCALES) is None


CREATION = replace(
    WRITE, generation=1, before_generation=None, managers_before=(), changes=(), version=50
)
CREATES = replace(ALICE, verb="create", code=201, generation=1, version=50, touched=())


def test_a_creation_is_proven_by_uid_and_answer() -> None:
    assert named(CREATION, CREATES) == ("alice", "exact")
    assert named(CREATION, replace(CREATES, version=40)) == ("alice", "exact"), "seen later"
    assert named(CREATION, replace(CREATES, code=200)) is None
    assert named(CREATION, replace(CREATES, uid="another")) is None
    assert named(CREATION, replace(CREATES, verb="patch")) == ("alice", "exact"), "an apply"


def test_a_creation_without_its_answer_is_probable() -> None:
    assert named(CREATION, untold(CREATES)) == ("alice", "probable")
    assert named(CREATION, untold(replace(CREATES, code=200))) is None
    assert named(CREATION, CREATES, untold(BOB, code=201)) == ("alice", "exact")


def test_a_generation_whose_own_state_was_not_seen_is_probable() -> None:
    passed = replace(ALICE, version=198)
    assert named(WRITE, passed) == ("alice", "probable")
    assert named(WRITE, replace(passed, generation=4)) is None
    assert named(WRITE, passed, replace(BOB, version=198)) is None
    late = replace(BOB, version=198, received_at=at(10.011), completed_at=at(10.015))
    assert named(WRITE, passed, late) == ("alice", "probable")
    assert named(WRITE, replace(passed, manager="kubectl-edit")) is None


def test_after_a_gap_whoever_wrote_meanwhile_may_have_made_a_part() -> None:
    gap = replace(WRITE, before_generation=2)
    assert named(gap, ALICE) == ("alice", "probable")
    other = replace(BOB, version=150, generation=4)
    assert named(gap, ALICE, other) is None
    assert named(gap, ALICE, replace(other, user="alice")) == ("alice", "probable")
    # One that made no generation made no part.
    assert named(gap, ALICE, replace(other, generation=2)) == ("alice", "probable")
    assert named(gap, ALICE, replace(other, generation=None)) is None
    assert named(gap, replace(ALICE, version=201)) is None


def test_where_the_log_has_no_answers_one_request_at_the_time_is_probable() -> None:
    assert named(WRITE, untold(ALICE)) == ("alice", "probable")
    assert named(WRITE, untold(ALICE, manager="kubectl-edit")) is None
    assert named(WRITE, replace(untold(ALICE), uid=UID)) == ("alice", "probable")
    assert named(WRITE, replace(untold(ALICE), uid="another")) is None
    assert named(WRITE, untold(ALICE), untold(BOB)) is None
    assert named(WRITE, ALICE, untold(BOB)) is None
    assert named(WRITE, ALICE, untold(replace(ALICE, position=9))) == ("alice", "probable")


@pytest.mark.parametrize(
    ("received", "completed", "is_named"),
    [
        (10.02, 10.03, True),
        (10.020001, 10.03, False),
        (10.0, 10.0, True),
        (10.0, 9.97, True),
        (10.0, 9.969999, False),
    ],
)
def test_where_only_time_speaks_the_write_must_be_seen_at_once(
    received: float, completed: float, is_named: bool
) -> None:
    timed = untold(ALICE, received_at=at(received), completed_at=at(completed))
    write = replace(WRITE, managers=(manager(time=""),))
    assert named(write, timed) == (("alice", "probable") if is_named else None)


STAMPED = replace(WRITE, stamp="4:alice", before_stamp="3:bob")


def stamps(write: Write) -> list[tuple[str, str, int]]:
    """Whom the admission stamp names."""
    found = authors_of_write(write, [])
    return [(each.actor, each.basis, each.position) for each in found if each.source == "stamp"]


def test_a_stamp_that_is_new_with_the_generation_is_strong() -> None:
    assert stamps(STAMPED) == [("alice", "strong", 77)]
    assert stamps(replace(STAMPED, stamp="4:system:serviceaccount:ci:deployer")) == [
        ("system:serviceaccount:ci:deployer", "strong", 77)
    ]
    assert stamps(replace(CREATION, stamp="0:alice")) == [("alice", "strong", 77)]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(replace(STAMPED, stamp=None), id="there is none"),
        pytest.param(replace(STAMPED, stamp="4:"), id="it names nobody"),
        pytest.param(replace(STAMPED, stamp="alice"), id="it is no stamp"),
        pytest.param(replace(STAMPED, stamp="3:alice"), id="of an earlier generation"),
        pytest.param(replace(STAMPED, stamp="5:alice"), id="of a later one"),
        pytest.param(replace(STAMPED, before_stamp="4:alice"), id="it stood there before"),
        pytest.param(replace(STAMPED, before_generation=3), id="a write was not seen"),
        pytest.param(replace(SCALE, stamp="4:alice"), id="a scale passes the policy by"),
    ],
)
def test_a_stamp_that_lingers_or_was_put_there_is_none(write: Write) -> None:
    assert stamps(write) == []


def test_requests_and_stamps_are_told_beside_the_claim_the_best_first() -> None:
    found = authors_of_write(STAMPED, [ALICE])
    assert [each.basis for each in found] == ["exact", "strong", "claimed"]


def claims(write: Write) -> list[str]:
    """The field managers named."""
    return [each.actor for each in authors_of_write(write, []) if each.source == "manager"]


def test_the_claim_is_the_one_manager_that_wrote_what_changed() -> None:
    assert claims(WRITE) == ["kubectl-set"]
    assert claims(replace(WRITE, managers=())) == []
    two = (manager(), manager("helm"))
    assert claims(replace(WRITE, managers=two)) == []
    assert claims(SCALE) == ["kubectl"]
    assert claims(replace(SCALE, managers=())) == []


def test_the_claim_of_a_creation_is_who_wrote_first_and_not_the_status() -> None:
    status = manager("kube-controller-manager", subresource="status")
    assert claims(replace(CREATION, managers=(manager("kubectl-create"), status))) == [
        "kubectl-create"
    ]
    assert claims(replace(CREATION, managers=(manager(""),))) == []
