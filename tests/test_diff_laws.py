"""What holds for every two pod templates."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.diff import (
    MERGE_KEYS,
    ORDERED,
    Change,
    Field,
    Key,
    Segment,
    count_unchanged,
    diff,
    key_text,
)

LAW = settings(max_examples=60, deadline=None)

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(["", "1", "info", "debug"])
OPENED = {"metadata", "spec", "annotations", "labels", "nodeSelector", "securityContext"}
OPENED |= {"resources", "requests", "limits"}


def keyed(items: st.SearchStrategy[dict[str, Any]], *keys: str) -> st.SearchStrategy[Any]:
    """A keyed list without two items of one key."""
    return st.lists(items, max_size=3, unique_by=lambda item: tuple(item[key] for key in keys))


def maps() -> st.SearchStrategy[dict[str, str]]:
    """A map of names people chose."""
    return st.dictionaries(st.sampled_from(["x", "example.com/y"]), VALUES, max_size=2)


def env_entries() -> st.SearchStrategy[dict[str, Any]]:
    """An env entry with a value, or with one from elsewhere."""
    literal = st.fixed_dictionaries({"name": NAMES}, optional={"value": VALUES})
    reference = st.fixed_dictionaries({"name": NAMES, "key": VALUES})
    source = st.fixed_dictionaries({"secretKeyRef": reference})
    return literal | st.fixed_dictionaries({"name": NAMES, "valueFrom": source})


def containers() -> st.SearchStrategy[dict[str, Any]]:
    """A container."""
    port = st.fixed_dictionaries(
        {
            "containerPort": st.sampled_from([80, 443]),
            "protocol": st.sampled_from(["TCP", "UDP"]),
            "name": NAMES,
        }
    )
    mount = st.fixed_dictionaries({"mountPath": st.sampled_from(["/a", "/b"]), "name": NAMES})
    return st.fixed_dictionaries(
        {"name": NAMES, "image": VALUES},
        optional={
            "env": keyed(env_entries(), "name"),
            "ports": keyed(port, "containerPort", "protocol"),
            "volumeMounts": keyed(mount, "mountPath"),
            "args": st.lists(VALUES, max_size=3),
            "resources": st.fixed_dictionaries({}, optional={"limits": maps(), "requests": maps()}),
            "securityContext": st.fixed_dictionaries({}, optional={"privileged": st.booleans()}),
        },
    )


def templates() -> st.SearchStrategy[dict[str, Any]]:
    """A pod template as an API server would serve it, of any version."""
    volume: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"name": NAMES}, optional={"emptyDir": st.just({})}
    )
    metadata = st.fixed_dictionaries(
        {"labels": maps()}, optional={"annotations": maps(), "creationTimestamp": st.none()}
    )
    spec = st.fixed_dictionaries(
        {"containers": keyed(containers(), "name")},
        optional={
            "initContainers": keyed(containers(), "name"),
            "volumes": keyed(volume, "name"),
            "tolerations": st.lists(st.fixed_dictionaries({"key": NAMES}), max_size=2),
            "nodeSelector": maps(),
            "terminationGracePeriodSeconds": st.integers(0, 2),
            "securityContext": st.fixed_dictionaries({}, optional={"runAsUser": st.integers(0, 1)}),
        },
    )
    return st.fixed_dictionaries(
        {"metadata": metadata, "spec": spec}, optional={"$patch": st.just("replace")}
    )


def anything() -> st.SearchStrategy[Any]:
    """JSON of any shape, under the names that a diff knows."""
    names = st.sampled_from([*MERGE_KEYS, *OPENED, "name", "containerPort", "mountPath", "ip"])
    scalars = st.none() | st.booleans() | st.integers(0, 3) | st.floats() | st.text(max_size=3)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


def malformed() -> st.SearchStrategy[dict[str, Any]]:
    """A pod template with anything in it."""
    return st.fixed_dictionaries({}, optional={"metadata": anything(), "spec": anything()})


@LAW
@given(templates() | malformed())
def test_nothing_differs_from_itself(template: dict[str, Any]) -> None:
    assert diff(template, copy.deepcopy(template)) == ()


@LAW
@given(templates(), templates())
def test_a_difference_is_told_exactly_when_there_is_one(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert (diff(old, new) == ()) is (meaning(old) == meaning(new))


@LAW
@given(templates(), templates())
def test_the_changes_lead_from_the_old_template_to_the_new(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    result = copy.deepcopy(old)
    for change in diff(old, new):
        apply(result, change)
    assert stripped(meaning(result, ordered=())) == stripped(meaning(new, ordered=()))


@LAW
@given(templates() | malformed(), templates() | malformed())
def test_the_other_way_round_what_came_went(old: dict[str, Any], new: dict[str, Any]) -> None:
    there, back = diff(old, new), diff(new, old)
    assert sorted(map(repr, back)) == sorted(repr(reverse(change)) for change in there)


@LAW
@given(templates(), templates())
def test_shared_entries_in_another_order_are_told_where_order_has_a_meaning(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    orders = [
        [item["name"] for item in side["spec"].get("initContainers", [])] for side in (old, new)
    ]
    shared = [
        [name for name in order if name in orders[0] and name in orders[1]] for order in orders
    ]
    told = [c for c in diff(old, new) if (c.path, c.kind) == ("initContainers", "reordered")]
    assert [[c.old, c.new] for c in told] == ([orders] if shared[0] != shared[1] else [])


@LAW
@given(templates(), templates())
def test_what_is_shared_is_counted_the_same_from_both_sides(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert count_unchanged(old, new) == count_unchanged(new, old)
    assert count_unchanged(old, new) <= count_unchanged(old, old)


@LAW
@given(malformed(), malformed())
def test_counting_takes_whatever_json_there_is(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert count_unchanged(old, new) == count_unchanged(new, old)


def meaning(value: Any, name: str = "", ordered: Sequence[str] = ORDERED) -> Any:
    """A template's value without what has no meaning: order, and fields of old servers."""
    if isinstance(value, dict):
        return {
            key: meaning(inner, key, ordered)
            for key, inner in value.items()
            if key != "$patch" and (key, inner) != ("creationTimestamp", None)
        }
    if not isinstance(value, list):
        return value
    items = [meaning(item, "", ordered) for item in value]
    if name in MERGE_KEYS and name not in ordered:
        items.sort(key=lambda item: [str(item[key]) for key in MERGE_KEYS[name]])
    return items


def stripped(value: Any, name: str = "") -> Any:
    """The same without maps and keyed lists that hold nothing: going through the items one by one
    leaves them behind.
    """
    if isinstance(value, list):
        return [stripped(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: stripped(item, key) for key, item in value.items()}
    return {
        key: item
        for key, item in inner.items()
        if item not in ({}, []) or not (key in OPENED or key in MERGE_KEYS)
    }


def reverse(change: Change) -> Change:
    """The change that takes this one back."""
    kinds: dict[str, Any] = {"added": "removed", "removed": "added"}
    kind = kinds.get(change.kind, change.kind)
    return Change(change.segments, kind, change.new, change.old, change.comparable)


def apply(template: dict[str, Any], change: Change) -> None:
    """Make one change in a template."""
    node: Any = template
    for segment, following in zip(change.segments, change.segments[1:], strict=False):
        node = step(node, segment, [] if isinstance(following, Key) else {})
    last = change.segments[-1]
    if change.kind == "reordered":
        step(node, last, []).sort(key=lambda item: change.new.index(key_text(key_of("name", item))))
    elif isinstance(last, Field):
        node.pop(last.name, None)
        if change.kind != "removed":
            node[last.name] = copy.deepcopy(change.new)
    elif isinstance(last, Key):
        node[:] = [item for item in node if not matches(item, last)]
        if change.kind != "removed":
            node.append(copy.deepcopy(change.new))


def step(node: Any, segment: Segment, default: Any) -> Any:
    """One step down, made where it was not there."""
    if isinstance(segment, Field):
        return node.setdefault(segment.name, default)
    return next(item for item in node if isinstance(segment, Key) and matches(item, segment))


def matches(item: dict[str, Any], key: Key) -> bool:
    """True when this is the item of that key."""
    return all(item[name] == value for name, value in key.pairs)


def key_of(name: str, item: dict[str, Any]) -> Key:
    """The key of an item that has one part."""
    return Key(((name, item[name]),))
