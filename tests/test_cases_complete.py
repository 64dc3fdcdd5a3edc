"""Every case of StatefulSet behaviour has a test of its own, which really is one."""

from __future__ import annotations

from tests.cases import ALL_CASES, held


def test_every_case_has_a_test_named_after_what_it_asserts() -> None:
    marked = held()
    assert sorted({one.number for one in marked}) == list(ALL_CASES)
    for one in marked:
        assert one.name.startswith("test_"), one
        assert len(one.name.split("_")) >= 6, f"{one.name} does not say what it asserts"


def test_most_cases_rest_on_what_a_real_control_plane_did() -> None:
    real = {one.number for one in held() if one.stream in ("live", "recorded")}
    assert len(real) >= 50
