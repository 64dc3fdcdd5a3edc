"""A value in a cell reads well, links where people want to go, and can never be markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cells import cell, folded, meanings

HOSTILE = '"><script>alert(1)</script>&'
COLUMNS = [
    "trigger",
    "what",
    "status",
    "state",
    "observed_at",
    "at",
    "uid",
    "workload_uid",
    "revision_uid",
    "predecessor",
    "workload",
    "number",
    "undo_of",
    "images",
    "image_before",
    "summary",
    "change_cause",
    "reason",
    "actor",
    "user",
    "impersonated",
    "digest",
    "template",
    "labels",
    "detail",
    "managed_fields",
    "selector",
    "cause",
    "namespace",
    "name",
]


def shown(value: Any, column: str, row: Mapping[str, Any] | None = None) -> str:
    return str(cell(value, column, (row or {}).get, lambda page: f"/ledger/{page}"))


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    "value", [HOSTILE, f"x/{HOSTILE}", f'{{"{HOSTILE[2:]}": "{HOSTILE[2:]}"}}']
)
def test_what_the_cluster_says_is_never_markup(value: str, column: str) -> None:
    rows: tuple[dict[str, str], ...] = (
        {},
        {"namespace": HOSTILE, "workload": HOSTILE, "workload_uid": HOSTILE},
    )
    for row in (*rows, {"change_cause_state": "stale"}):
        html = shown(value, column, row)
        assert "<script" not in html
        assert HOSTILE[:2] + "&lt;" not in html


def test_a_time_is_short_and_keeps_its_whole_self() -> None:
    assert shown("2026-11-23T13:05:19.498664Z", "observed_at") == (
        '<time datetime="2026-11-23T13:05:19.498664Z" title="2026-11-23T13:05:19.498664Z">'
        "2026-11-23 13:05:19Z</time>"
    )
    assert shown("yesterday", "observed_at") == "None"


def test_a_state_has_a_sign_and_a_word() -> None:
    assert shown("undo", "trigger") == (
        '<span class="rl-state rl-undo"><span aria-hidden="true">↩</span> undo</span>'
    )
    assert shown("create undo", "what").count("rl-state") == 2
    assert shown("left behind", "status") == (
        '<span class="rl-state rl-left-behind">left behind</span>'
    )
    assert "✗" in shown("stalled", "phase")
    assert shown("fresh", "status") == '<span class="rl-state rl-fresh">fresh</span>'


def test_an_actor_is_short_and_links_to_what_they_changed() -> None:
    deployer = "system:serviceaccount:ci:deployer"
    assert shown(deployer, "actor", {"basis": "exact"}) == (
        f'<a title="{deployer}" '
        'href="/ledger/changes?actor=system%3Aserviceaccount%3Aci%3Adeployer">sa:ci/deployer</a>'
    )
    assert shown(deployer, "user").endswith(">sa:ci/deployer</a>")
    assert shown("bob", "actor", {"basis": "probable"}).endswith(">bob?</a>")
    assert shown("kubectl", "actor", {"basis": "claimed"}).endswith(">(kubectl)</a>")
    told = shown("admin", "actor", {"basis": "exact", "impersonated": "alice"})
    assert told.endswith(">admin as alice</a>")
    assert shown(deployer, "impersonated") == f'<span title="{deployer}">sa:ci/deployer</span>'


def test_a_workload_links_to_its_history() -> None:
    assert shown("shop/web", "workload") == (
        '<a href="/ledger/history?namespace=shop&amp;name=web">shop/web</a>'
    )
    assert shown("web", "workload", {"namespace": "shop"}) == (
        '<a href="/ledger/history?namespace=shop&amp;name=web">web</a>'
    )
    assert shown("web", "workload") == "None"
    assert "name=web" in shown("shop/web", "label", {"history_limit": 10})
    assert shown("shop/web", "label") == "None"


def test_a_deleted_incarnation_links_to_all_of_its_name() -> None:
    assert "name=web&amp;incarnations=all" in shown("shop/web~1a2b", "workload")
    assert shown("3", "number", {"workload": "shop/web~1a2b"}) == "None"


def test_a_number_links_to_its_template() -> None:
    row = {"namespace": "shop", "workload": "web", "workload_uid": "u-1"}
    assert shown(7, "number", row) == (
        '<a href="/ledger/revision?namespace=shop&amp;name=web&amp;label=7&amp;workload_uid=u-1">'
        "7</a>"
    )
    assert shown(None, "undo_of", row) == "None"
    looked_up = {"workload_uid": {"value": "u-1", "label": "shop/web~1a2b"}}
    assert shown(7, "number", looked_up) == shown(7, "number", row)
    assert shown(7, "number") == "None"


def test_a_copied_cause_is_marked() -> None:
    stale = shown("upgrade to 1.25", "change_cause", {"change_cause_state": "stale"})
    assert stale == (
        '<span class="rl-doubt">upgrade to 1.25 '
        '<span class="rl-state rl-doubtful">stale</span></span>'
    )
    assert shown("upgrade", "change_cause", {"change_cause_state": "fresh"}) == "upgrade"


def test_a_redacted_secret_is_short_and_can_still_be_compared() -> None:
    tag = "redacted:0a1b2c3d:58d669a70b75b63c554af166f4581cde"
    assert shown(f"start with --password={tag}!", "change_cause") == (
        f'start with --password=<span class="rl-redacted" title="{tag}">'
        "redacted:0a1b2c3d:58d669a7…</span>!"
    )


def test_a_template_is_folded_under_the_names_of_its_containers() -> None:
    template = '{"spec":{"containers":[{"name":"web"},{"name":"proxy"}]}}'
    html = shown(template, "template")
    assert html.startswith('<details class="rl-template"><summary>web, proxy</summary><pre>{\n')
    assert "&#34;name&#34;: &#34;web&#34;" in html


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '{"spec":[1]}', '{"spec":{"containers":3}}']
)
def test_what_is_no_template_does_no_harm(text: str) -> None:
    assert shown(text, "template").startswith(("None", "<details"))


def test_labels_and_images_stand_below_each_other() -> None:
    assert shown('{"app":"web","team":"shop"}', "labels") == "app=web<br>team=shop"
    assert shown("a=x:1 b=y:2", "images") == "a=x:1<br>b=y:2"
    assert shown("a=x:1 b=y:2", "images_after") == "a=x:1<br>b=y:2"


def test_a_uid_can_be_copied_whole() -> None:
    uid = "5364399d-e0b7-4b1e-ba9b-0bb120896dae"
    assert shown(uid, "revision_uid") == f'<span class="rl-uid" title="{uid}">{uid}</span>'
    assert f'href="/ledger/workloads/{uid}"' in shown(uid, "workload_uid")


def test_a_reference_links_to_its_row() -> None:
    assert shown(15, "template_id") == '<a href="/ledger/templates/15">15</a>'


VALUES = st.none() | st.integers() | st.floats() | st.text() | st.binary()
LOOKED_UP = st.fixed_dictionaries({"value": st.text(), "label": st.none() | st.text()})


@given(
    value=VALUES | LOOKED_UP,
    column=st.sampled_from(COLUMNS),
    row=st.dictionaries(st.sampled_from(COLUMNS), VALUES | LOOKED_UP),
)
def test_no_answer_to_somebodys_own_sql_breaks_the_page(
    value: Any, column: str, row: dict[str, Any]
) -> None:
    assert cell(value, column, row.get, str) is None or isinstance(value, int | str)


@pytest.mark.parametrize("text", ["[" * 5_000 + "]" * 5_000, "[" * 400 + "]" * 400])
def test_deep_json_does_no_harm(text: str) -> None:
    assert shown(text, "template").startswith(("None", "<details"))


@pytest.mark.parametrize("value", [None, 3, 2.5, b"x", {"value": "u", "label": "shop/web"}])
def test_other_values_are_left_to_datasette(value: Any) -> None:
    assert shown(value, "observed_at") == "None"
    assert shown(value, "workload_uid") == "None"


def test_meanings_are_told_or_nothing_is() -> None:
    assert meanings({}) == folded({}, "nothing") == ""
    assert folded({"a<b": "x & y"}, "two") == (
        '<details class="rl-about"><summary>two</summary>'
        '<dl class="rl-meanings"><dt>a&lt;b</dt><dd>x &amp; y</dd></dl></details>'
    )
