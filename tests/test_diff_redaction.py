"""Hidden values: the same key compares, two keys say nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from ledger.diff import diff, differs, restart_only
from ledger.redaction import Policy, Redactor
from tests.test_diff_laws import LAW, templates

ONE, OTHER = "redacted:0a1b2c3d:" + "1" * 32, "redacted:0a1b2c3d:" + "2" * 32
ROTATED = "redacted:feedbeef:" + "3" * 32


def secret(value: Any, **annotations: str) -> dict[str, Any]:
    """A template with one env value."""
    entry = {"name": "PASSWORD", "value": value}
    return {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"name": "web", "env": [entry]}]},
    }


def redactor(key_id: str, policy: Policy = "strict") -> Redactor:
    """A redactor with a key of its own."""
    return Redactor(policy, key_id, key_id.encode() * 4)


@pytest.mark.parametrize(
    ("old", "new", "comparable"),
    [
        (ONE, ONE, []),
        (ONE, OTHER, [True]),
        (ONE, ROTATED, [False]),
        (ONE, "plain", [True]),
        ("plain", ONE, [True]),
        (f"--url={ONE} -v 1", f"--url={ROTATED} -v 1", [False]),
        (f"--url={ONE} -v 1", f"--url={ROTATED} -v 2", [True]),
        (f"{ONE} {ONE}", f"{ROTATED} {OTHER}", [True]),
        (f"{ONE} {ONE}", f"{ROTATED} {ONE}", [False]),
        ([ONE, "-v"], [ROTATED, "-v"], [False]),
        ([ONE, "-v"], [ROTATED, "-v", "-x"], [True]),
        (ONE, [ROTATED], [True]),
        ("redacted:0a1b2c3d:short", ROTATED, [True]),
    ],
)
def test_tags_of_two_keys_cannot_be_compared(old: Any, new: Any, comparable: list[bool]) -> None:
    assert [change.comparable for change in diff(secret(old), secret(new))] == comparable


def test_what_cannot_be_compared_is_told_but_does_not_differ() -> None:
    [change] = diff(secret(ONE), secret(ROTATED))
    assert (change.path, change.kind, change.old, change.new) == (
        "containers[web].env[PASSWORD]",
        "changed",
        ONE,
        ROTATED,
    )
    assert differs([change]) is False


def test_a_hidden_entry_that_came_is_known_to_have_come() -> None:
    without: dict[str, Any] = {**secret(ONE), "spec": {"containers": [{"name": "web"}]}}
    assert differs(diff(without, secret(ROTATED))) is True


def test_a_restart_is_not_inferred_where_something_else_cannot_be_compared() -> None:
    at = {"kubectl.kubernetes.io/restartedAt": "t"}
    assert restart_only(diff(secret(ONE), secret(ONE, **at))) is True
    assert restart_only(diff(secret(ONE), secret(ROTATED, **at))) is False


@pytest.mark.parametrize(
    ("old", "new", "comparable"),
    [
        ({f"a/{ONE}": "x"}, {f"a/{ROTATED}": "x"}, [False, False]),
        ({f"a/{ONE}": "x"}, {f"a/{ROTATED}": "y"}, [True, True]),
        ({f"a/{ONE}": "x"}, {f"a/{OTHER}": "x"}, [True, True]),
        ({f"a/{ONE}": "x", f"a/{OTHER}": "x"}, {f"a/{ROTATED}": "x"}, [False, False, False]),
        ({f"a/{ONE}": "x"}, {}, [True]),
    ],
)
def test_a_hidden_name_under_two_keys_neither_came_nor_went(
    old: dict[str, str], new: dict[str, str], comparable: list[bool]
) -> None:
    changes = diff(secret("v", **old), secret("v", **new))
    assert [change.comparable for change in changes] == comparable


@LAW
@given(templates())
def test_a_new_key_alone_changes_nothing(template: dict[str, Any]) -> None:
    before = redactor("0a1b2c3d").redact(template).document
    after = redactor("feedbeef").redact(template).document
    assert differs(diff(before, after)) is False


@LAW
@given(templates(), templates())
def test_redaction_under_one_key_keeps_every_difference(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    one = redactor("0a1b2c3d")
    hidden = diff(one.redact(old).document, one.redact(new).document)
    assert [(c.path, c.kind, c.comparable) for c in hidden] == [
        (c.path, c.kind, c.comparable) for c in diff(old, new)
    ]
