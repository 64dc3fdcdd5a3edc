"""Whose field is it: ownership read off managedFields, as the API server writes it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.diff import Change, Field, Index, Key, Segment, diff
from ledger.managed_fields import (
    Manager,
    entries,
    kubectl_undo,
    last_writer,
    owners_of,
    owns,
)
from tests.test_diff_laws import LAW, anything

WEB = Key((("name", "web"),))
HTTP = Key((("containerPort", 80), ("protocol", "TCP")))
CONTAINERS = (Field("spec"), Field("template"), Field("spec"), Field("containers"))

T0, T1, T2 = "2026-11-23T13:01:32Z", "2026-11-23T13:01:33Z", "2026-11-23T13:01:34Z"


def entry(
    manager: str,
    template_spec: dict[str, Any],
    time: str = T0,
    operation: str = "Update",
    **others: Any,
) -> dict[str, Any]:
    """A raw entry of managedFields that owns fields of a pod template's spec."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": template_spec}}},
    } | others


def container(**fields: Any) -> dict[str, Any]:
    """fieldsV1 of fields of the container `web`."""
    return {"f:containers": {'k:{"name":"web"}': {f"f:{k}": v for k, v in fields.items()}}}


def metadata(*raw_entries: dict[str, Any]) -> dict[str, Any]:
    """Metadata with these entries."""
    return {"name": "web", "managedFields": list(raw_entries)}


def manager(template_spec: dict[str, Any]) -> Manager:
    """A manager that owns fields of a pod template's spec."""
    return entries(metadata(entry("m", template_spec)))[0]


def template(image: str = "nginx:1.24", **spec: Any) -> dict[str, Any]:
    """A pod template with one container."""
    return {"spec": {"containers": [{"name": "web", "image": image}], **spec}}


def names(managers: tuple[Manager, ...]) -> list[str]:
    """Their names."""
    return [manager.manager for manager in managers]


NEW_IMAGE = diff(template("nginx:1.24"), template("nginx:1.25"))
GONE_DNS = diff(template(dnsPolicy="Default"), template())
STATUS = {
    "manager": "kube-controller-manager",
    "operation": "Update",
    "subresource": "status",
    "time": T2,
    "fieldsV1": {"f:status": {"f:replicas": {}}},
}


def test_an_entry_is_read_with_all_it_says() -> None:
    raw = entry("kubectl", {"f:dnsPolicy": {}}, subresource="scale")
    assert entries(metadata(raw)) == (
        Manager(
            manager="kubectl",
            operation="Update",
            subresource="scale",
            time=T0,
            fields={"f:spec": {"f:template": {"f:spec": {"f:dnsPolicy": {}}}}},
            api_version="apps/v1",
        ),
    )


def test_an_entry_without_time_is_one_of_a_scale() -> None:
    raw: dict[str, Any] = {"manager": "kubectl", "operation": "Update", "subresource": "scale"}
    raw["fieldsV1"] = {}
    assert entries(metadata(raw)) == (Manager("kubectl", "Update", "scale", "", {}, ""),)


@pytest.mark.parametrize(
    "raw_metadata",
    [
        None,
        "text",
        [],
        {},
        {"managedFields": None},
        {"managedFields": "text"},
        {"managedFields": {"manager": "x"}},
        {"managedFields": [None, "text", 7, {}, {"manager": "x", "fieldsV1": "text"}]},
    ],
)
def test_what_is_malformed_owns_nothing(raw_metadata: Any) -> None:
    assert entries(raw_metadata) == ()


def test_malformed_names_are_empty() -> None:
    raw: dict[str, Any] = {"manager": 7, "operation": None, "time": [], "fieldsV1": {}}
    assert entries(metadata(raw)) == (Manager("", "", "", "", {}, ""),)


@pytest.mark.parametrize(
    ("template_spec", "steps", "is_owned"),
    [
        (container(image={}), (WEB, Field("image")), True),
        (container(image={}), (WEB, Field("args")), False),
        (container(image={}), (Key((("name", "app"),)), Field("image")), False),
        (container(image={}), (WEB,), False),
        (container(image={}, name={}), (WEB,), False),
        ({"f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}}}}, (WEB,), True),
        ({"f:containers": {'k:{"name":"web"}': {}}}, (WEB,), True),
        ({"f:containers": {'k:{ "name" : "web" }': {"f:image": {}}}}, (WEB, Field("image")), True),
        ({"f:containers": {"k:{broken": {}, "k:7": {}, "f:x": {}}}, (WEB, Field("image")), False),
        ({"f:containers": {'k:{"name":"web"}': "text"}}, (WEB, Field("image")), False),
        ({"f:containers": None}, (WEB,), False),
        (container(args={}), (WEB, Field("args")), True),
        (container(args={}), (WEB, Field("args"), Index(0)), True),
        (container(args={"i:0": {}}), (WEB, Field("args"), Index(0)), True),
        (container(args={"i:0": {}}), (WEB, Field("args"), Index(1)), False),
        (container(x={'v:"a"': {}}), (WEB, Field("x")), True),
        (
            container(ports={'k:{"protocol":"TCP","containerPort":80}': {"f:name": {}}}),
            (WEB, Field("ports"), HTTP, Field("name")),
            True,
        ),
        (
            container(ports={'k:{"containerPort":80}': {"f:name": {}}}),
            (WEB, Field("ports"), HTTP, Field("name")),
            True,
        ),
        (
            container(ports={'k:{"containerPort":"80","protocol":"TCP"}': {"f:name": {}}}),
            (WEB, Field("ports"), HTTP, Field("name")),
            False,
        ),
        (
            container(ports={'k:{"containerPort":80,"protocol":"UDP"}': {"f:name": {}}}),
            (WEB, Field("ports"), HTTP, Field("name")),
            False,
        ),
        (container(livenessProbe={"f:httpGet": {}}), (WEB, Field("livenessProbe")), True),
        (container(env={".": {}}), (WEB, Field("env"), Key((("name", "A"),))), False),
    ],
)
def test_ownership_is_by_name_or_by_a_value_without_parts(
    template_spec: dict[str, Any], steps: tuple[Segment, ...], is_owned: bool
) -> None:
    assert owns(manager(template_spec), (*CONTAINERS, *steps)) is is_owned


def test_the_owners_of_a_change_are_those_of_its_field() -> None:
    managers = entries(
        metadata(
            entry("apply", container(args={})),
            entry("set", container(image={})),
            entry("pipeline", container(image={}), operation="Apply"),
        )
    )
    [change] = NEW_IMAGE
    assert names(owners_of(managers, change)) == ["set", "pipeline"]
    assert owners_of(managers, change, prefix=("spec",)) == ()
    assert owners_of((), change) == ()


def test_who_wrote_an_empty_map_does_not_own_what_others_put_in_it() -> None:
    limits: dict[str, Any] = {"f:limits": {".": {}, "f:cpu": {}}}
    managers = entries(
        metadata(entry("apply", container(resources={})), entry("set", container(resources=limits)))
    )
    web = {"name": "web", "image": "nginx:1.24"}
    [change] = diff(
        {"spec": {"containers": [web | {"resources": {}}]}},
        {"spec": {"containers": [web | {"resources": {"limits": {"cpu": "1"}}}]}},
    )
    assert names(owners_of(managers, change)) == ["set"]
    assert names(owners_of(managers[:1], change)) == ["apply"]


def test_an_entry_taken_out_of_an_atomic_map_still_has_an_owner() -> None:
    [change] = diff(template(nodeSelector={"a": "1", "b": "2"}), template(nodeSelector={"a": "1"}))
    managers = entries(metadata(entry("patch", {"f:nodeSelector": {}})))
    assert names(owners_of(managers, change)) == ["patch"]


def test_a_removed_field_has_no_owner() -> None:
    [change] = GONE_DNS
    assert owners_of(entries(metadata(entry("apply", container(image={})))), change) == ()


@pytest.mark.parametrize(
    ("before", "after", "adjacent", "writers"),
    [
        pytest.param(
            [entry("apply", container(image={}))],
            [entry("apply", container(args={})), entry("set", container(image={}), T1), STATUS],
            False,
            ["set"],
            id="a new entry that owns the field",
        ),
        pytest.param(
            [entry("set", container(image={}), T0)],
            [entry("set", container(image={}), T1)],
            False,
            ["set"],
            id="an entry with a new time",
        ),
        pytest.param(
            [entry("set", container(image={}), T0)],
            [entry("set", container(image={}), T0), entry("patch", container(args={}), T1)],
            False,
            [],
            id="the owner's entry is as before, and a write may lie in between",
        ),
        pytest.param(
            [entry("set", container(image={}), T0)],
            [entry("set", container(image={}), T0), entry("patch", container(args={}), T1)],
            True,
            ["set"],
            id="the owner's entry is as before: it wrote twice within one second",
        ),
        pytest.param(
            [
                entry("set", container(image={}), apiVersion="apps/v1beta2"),
                entry("set", container(args={})),
            ],
            [
                entry("set", container(image={}), apiVersion="apps/v1beta2"),
                entry("set", container(args={}), T1),
            ],
            False,
            [],
            id="the same manager under another apiVersion has another entry",
        ),
        pytest.param([], [entry("set", container(args={}), T1)], True, [], id="nobody owns it"),
        pytest.param(
            [],
            [entry("kubectl", container(image={}), T1, subresource="scale")],
            True,
            [],
            id="a template is never written under a subresource",
        ),
        pytest.param([], [], True, [], id="no managedFields"),
    ],
)
def test_the_last_writer_owns_what_was_written_and_its_entry_is_another(
    before: list[Any], after: list[Any], adjacent: bool, writers: list[str]
) -> None:
    told = last_writer(metadata(*before), metadata(*after), NEW_IMAGE, adjacent=adjacent)
    assert names(told) == writers


def test_the_last_writer_owns_everything_that_was_written() -> None:
    changes = diff(template("a"), template("b", dnsPolicy="Default"))
    after = metadata(
        entry("one", container(image={}), T1),
        entry("both", container(image={}) | {"f:dnsPolicy": {}}, T1),
    )
    assert names(last_writer({}, after, changes)) == ["both"]


def test_who_lost_a_removed_field_did_not_remove_it() -> None:
    before = metadata(entry("apply", {"f:dnsPolicy": {}} | container(image={})))
    after = metadata(entry("apply", container(image={})), STATUS)
    assert last_writer(before, after, GONE_DNS, adjacent=True) == ()


@pytest.mark.parametrize(
    "after",
    [entry("apply", container(image={}), T1), entry("apply", container(image={}, args={}))],
)
def test_who_wrote_something_else_may_have_removed_a_field(after: dict[str, Any]) -> None:
    before = metadata(entry("apply", container(image={})), entry("set", {"f:dnsPolicy": {}}))
    assert names(last_writer(before, metadata(after, STATUS), GONE_DNS)) == ["apply"]


def test_what_cannot_be_compared_has_no_writer() -> None:
    one, other = "redacted:aa:" + "1" * 32, "redacted:bb:" + "2" * 32
    changes = diff(template(one), template(other))
    after = metadata(entry("kubectl", container(image={}), T1))
    assert (last_writer({}, after, changes), last_writer({}, after, ())) == ((), ())
    assert kubectl_undo({}, after, changes, adjacent=True) is False


UNDONE = entry("kubectl", container(image={}), T1)


@pytest.mark.parametrize(
    ("before", "after", "changes", "adjacent", "is_undo"),
    [
        pytest.param([], [UNDONE], NEW_IMAGE, False, True, id="kubectl's entry is new"),
        pytest.param([UNDONE], [UNDONE], NEW_IMAGE, True, True, id="again within one second"),
        pytest.param([UNDONE], [UNDONE], NEW_IMAGE, False, False, id="perhaps somebody else's"),
        pytest.param(
            [],
            [entry("kubectl-set", container(image={}), T1)],
            NEW_IMAGE,
            True,
            False,
            id="kubectl set",
        ),
        pytest.param(
            [],
            [entry("kubectl", container(image={}), T1, operation="Apply")],
            NEW_IMAGE,
            True,
            False,
            id="kubectl apply --server-side",
        ),
        pytest.param(
            [entry("kubectl", container(args={}))],
            [entry("kubectl", container(args={})), entry("kubectl-set", container(image={}), T1)],
            NEW_IMAGE,
            True,
            False,
            id="kubectl owns another field",
        ),
        pytest.param(
            [entry("kubectl", container(image={}) | {"f:dnsPolicy": {}})],
            [entry("kubectl", container(image={}))],
            GONE_DNS,
            True,
            False,
            id="kubectl lost a field, to whomever",
        ),
        pytest.param(
            [entry("kubectl", container(image={}))],
            [entry("kubectl", container(image={}), T1)],
            GONE_DNS,
            True,
            False,
            id="kubectl wrote, but nothing of what changed",
        ),
        pytest.param([], [UNDONE], (), True, False, id="nothing changed"),
    ],
)
def test_an_undo_is_known_by_how_kubectl_writes_it(
    before: list[Any], after: list[Any], changes: tuple[Change, ...], adjacent: bool, is_undo: bool
) -> None:
    told = kubectl_undo(metadata(*before), metadata(*after), changes, adjacent=adjacent)
    assert told is is_undo


STEPS = st.sampled_from(
    ["f:spec", "f:template", "f:containers", 'k:{"name":"web"}', "k:{", "f:image", "."]
)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.just({}) | st.text(max_size=2),
    lambda inner: st.dictionaries(STEPS, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=10,
)


@LAW
@given(
    st.lists(st.fixed_dictionaries({}, optional={"manager": anything(), "fieldsV1": TREES})),
    anything(),
)
def test_no_managed_fields_are_too_malformed(raw_entries: list[Any], other: Any) -> None:
    raw = metadata(*raw_entries, other)
    for held in entries(raw):
        assert owns(held, (*CONTAINERS, WEB, Field("image"))) in (True, False)
    assert last_writer(other, raw, NEW_IMAGE) == last_writer({}, raw, NEW_IMAGE)
    assert kubectl_undo(other, raw, GONE_DNS, adjacent=True) is False
