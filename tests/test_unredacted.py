"""Of a redacted document and another: whether the one can have been made of the other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.redaction import Redactor
from ledger.unredacted import hides, is_original_of
from tests.test_redaction_properties import STRICT, WARM, nodes
from tests.test_redaction_templates import POSTGRES

TAG = "redacted:k1:0123456789abcdef0123456789abcdef"
OTHER_KEY = Redactor("secrets", "k2", b"j" * 32)


@settings(max_examples=400, deadline=None)
@given(node=nodes, redactor=st.sampled_from([WARM, STRICT, OTHER_KEY]))
@example(node='{"' + 2 * f"dapi{2 * '0123456789abcdef'}" + '": null}', redactor=WARM)
@example(node=f"dapi{2 * '0123456789abcdef'}123 and so on", redactor=WARM)
def test_a_document_is_the_original_of_what_redaction_makes_of_it(
    node: Any, redactor: Redactor
) -> None:
    document = {"spec": node}
    redacted = redactor.redact(copy.deepcopy(document))
    assert is_original_of(redacted.document, document)
    assert hides(redacted.document) or not redacted.touched


@settings(max_examples=300, deadline=None)
@given(node=nodes, other=nodes)
def test_what_redaction_leaves_alone_is_the_original_of_itself_only(node: Any, other: Any) -> None:
    if WARM.redact({"spec": node}).touched or hides(node):
        return
    assert is_original_of(node, other) == (repr(node) == repr(other) or node is other)


@pytest.mark.parametrize(
    ("redacted", "original"),
    [
        (TAG, "hunter2"),
        (TAG, 5432),
        (f"--password={TAG}", "--password=hunter2"),
        (f"-c password={TAG} host=db token={TAG}", "-c password=a host=db token=b"),
        (f"a{TAG}", "aa"),
        (f'{{"password":"{TAG}","host":"db"}}', '{\n "password": "x",  "host": "db"\n}'),
        ({f"v:token={TAG}": {}}, {"v:token=abc": {}}),
        ({f"{TAG}": "a", f"b{TAG}": "b"}, {"bc": "b", "bd": "a"}),
        ({"name": "PASSWORD", "value": TAG}, {"name": "PASSWORD", "value": "x"}),
    ],
)
def test_what_is_hidden_may_have_been_anything(redacted: Any, original: Any) -> None:
    assert is_original_of(redacted, original)


@pytest.mark.parametrize(
    ("redacted", "original"),
    [
        (TAG, ""),
        (TAG, None),
        (TAG, True),
        (TAG, ["hunter2"]),
        (TAG, {"hunter": 2}),
        (f"--password={TAG}", "--password="),
        (f"--password={TAG}", "--passwords=hunter2"),
        (f"--password={TAG} -h db", "--password=hunter2 -h db2"),
        (f"password={TAG} host=db token={TAG}", "password=a token=b host=db"),
        (f"a{TAG}a", "aa"),
        (f'{{"password":"{TAG}","host":"db"}}', '{"password":"x","host":"evil"}'),
        ({"image": "a:1", "value": TAG}, {"image": "a:2", "value": "x"}),
        ({"value": TAG}, {"value": "x", "image": "evil"}),
        ({"value": TAG, "image": "a"}, {"value": "x"}),
        ({f"v:token={TAG}": {}}, {"v:other=abc": {}}),
        ([TAG, "a"], ["x", "a", "evil"]),
        ([TAG, "a"], ["a", "x"]),
        (1, True),
        (0, False),
        (1, 1.0),
        (None, 0),
        ("1", 1),
    ],
)
def test_what_is_not_hidden_must_be_equal(redacted: Any, original: Any) -> None:
    assert not is_original_of(redacted, original)


def test_what_nests_too_deep_to_be_walked_is_no_original() -> None:
    deep = "[" * 5_000 + f'"{TAG}"' + "]" * 5_000
    assert not is_original_of(deep, deep.replace(TAG, "x", 1) + " ")


def test_no_leaf_of_a_real_template_can_be_changed_unnoticed() -> None:
    template = yaml.safe_load(POSTGRES)
    redacted = STRICT.redact(template).document
    changed = list(_changed(template, redacted))
    assert len(changed) > 80
    assert not [path for path, other in changed if is_original_of(redacted, other)]


def _changed(original: Any, redacted: Any) -> Any:
    """The original with one shown leaf changed or left out, each in turn, and where."""
    steps = original.items() if isinstance(original, dict) else enumerate(original)
    for step, leaf in steps:
        others = [copy.copy(original) for _ in range(2)]
        del others[1][step]
        yield f"{step} left out", others[1]
        if isinstance(leaf, dict | list):
            for path, inner in _changed(leaf, redacted[step]):
                whole = copy.copy(original)
                whole[step] = inner
                yield f"{step}.{path}", whole
        elif not hides(redacted[step]):
            others[0][step] = f"{leaf}x"
            yield str(step), others[0]
