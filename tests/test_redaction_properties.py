"""What holds for every document, whatever stands in it."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.redaction import Redactor
from ledger.secret_names import TAG
from ledger.secret_rules import PAIRS
from ledger.secret_shapes import SHAPES

KEY = b"k" * 32
WARM = Redactor("secrets", "k1", KEY)
STRICT = Redactor("strict", "k1", KEY)

keys = st.sampled_from(
    [
        "name",
        "value",
        "key",
        "args",
        "command",
        "env",
        "metadata",
        "annotations",
        "labels",
        "spec",
        "secret",
        "secretName",
        "password",
        "apiToken",
        "token",
        "x",
        "message",
        "image",
        "uid",
        "f:x",
        "operator",
        "DB_PASSWORD",
        "TOKEN_TTL",
        "value",
        "values",
    ]
)
odd_keys = st.sampled_from(
    ['v:"token=abcdef"', 'k:{"name":"A_TOKEN","value":"abc"}', "password=hunter2", "", "v:3"]
)
examples = [
    example.replace("«", "").replace("»", "")
    for rule in SHAPES + PAIRS
    for example in rule.examples
]
pieces = st.sampled_from(
    [
        *("password", "token", "TOKEN", "api_key", "name", "value", "hunter2", "redacted:", "$X"),
        *("=", ":", ": ", " ", "\n", "\\", '"', "'", "`", "{", "}", "[", "]", ",", ";", "&", "|"),
        *("://", "@", "--", "-", "-p", "mysql ", "curl ", "-u ", "<", ">", "/", ".", "$(", ")"),
        *("redacted:k1:0123456789abcdef0123456789abcdef", "Bearer ", "-----BEGIN X-----", "é", "1"),
    ]
)
texts = st.one_of(
    st.lists(pieces, max_size=12).map("".join),
    st.lists(st.sampled_from(examples) | pieces, max_size=4).map("".join),
    st.text(max_size=30),
    st.sampled_from(["--password", "-token", "sh", "-c", "redis-cli", "-a", "mysql", "true", ""]),
)
scalars = texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
nodes = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(keys | odd_keys | texts, inner, max_size=5)
        | inner.map(json.dumps)
    ),
    max_leaves=12,
)
documents = st.dictionaries(keys, nodes, max_size=5)


@given(documents)
@settings(max_examples=400, deadline=None)
def test_redacting_twice_is_redacting_once(document: dict[str, Any]) -> None:
    for redactor in (WARM, STRICT):
        once = redactor.redact(document).document
        twice = redactor.redact(once)
        assert twice.document == once
        assert not twice.touched


@given(documents)
@settings(max_examples=200, deadline=None)
def test_the_input_stays_as_it_was_and_untouched_parts_are_shared(document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    redacted = WARM.redact(document)
    assert document == before
    assert redacted.touched == (redacted.document != document)
    assert redacted.touched or redacted.document is document


@given(documents)
@settings(max_examples=200, deadline=None)
def test_the_shape_stays(document: dict[str, Any]) -> None:
    assert shape(WARM.redact(document).document) == shape(document)


@given(documents)
@settings(max_examples=200, deadline=None)
def test_a_verdict_does_not_depend_on_what_came_before(document: dict[str, Any]) -> None:
    assert WARM.redact(document) == Redactor("secrets", "k1", KEY).redact(document)


@given(st.text(min_size=2), st.text(min_size=2))
@settings(max_examples=200, deadline=None)
def test_equal_values_have_equal_tags_and_only_they(one: str, other: str) -> None:
    values = [f"{one}#", f"{one}#", f"{other}#"]
    document = {"env": [{"name": "PASSWORD", "value": value} for value in values]}
    tags = [entry["value"] for entry in WARM.redact(document).document["env"]]
    assert all(TAG.fullmatch(tag) for tag in tags)
    assert tags[0] == tags[1]
    assert (tags[0] == tags[2]) == (one == other)


@given(texts)
@settings(max_examples=300, deadline=None)
def test_strict_leaves_no_env_value_and_no_argument(text: str) -> None:
    container = {"env": [{"name": "X", "value": text}], "command": ["sh", text], "args": [text]}
    strict = STRICT.redact(container).document
    hidden = [strict["env"][0]["value"], strict["command"][1], strict["args"][0]]
    assert hidden == [STRICT.tag(text) if text else ""] * 3
    assert strict["command"][0] == "sh"


def shape(node: Any) -> Any:
    """Maps by their size, lists by their length, everything else by nothing: a secret number turns
    into a tag, which is text.
    """
    if isinstance(node, dict):
        return [shape(value) for value in node.values()]
    return [shape(value) for value in node] if isinstance(node, list) else None
