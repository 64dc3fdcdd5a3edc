"""Who did it, as tables tell it: short, and never more surely than the evidence is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.authors import full, short, ticket_of, who
from ledger.cli import run
from ledger.store import Ledger
from tests.recorded import folded, values_of
from tests.terminal import on_terminal
from tests.web_ledger import ask

DEPLOYER = "system:serviceaccount:ci:deployer"


@pytest.fixture(scope="module")
def shop(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's ledger, in which nobody pretends anything."""
    return folded(values_of(demo), tmp_path_factory.mktemp("authors") / "ledger.db")


@pytest.fixture(scope="module")
def doubtful(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with evidence of each kind for five of web's revisions."""
    path = folded(values_of(demo), tmp_path_factory.mktemp("doubtful") / "ledger.db")
    with Ledger.open(path) as ledger, ledger.transaction():
        for generation, columns in EVIDENCE.items():
            (attribution,) = [
                dict(row)
                for row in ledger._connection.execute(
                    """
                    select attributions.* from attributions
                    join objects on objects.id = attributions.object_id
                    where objects.name = 'web' and what = 'write' and best = 1 and generation = ?
                    """,
                    (generation,),
                )
            ]
            ledger.put("attributions", [attribution | columns | {"rank": -1}])
            ledger._connection.execute(
                "update attributions set best = rank = -1 where object_id = ? and generation = ?",
                (attribution["object_id"], generation),
            )
    return path


EVIDENCE: dict[int, dict[str, Any]] = {
    2: {"actor": "kubectl-set", "basis": "claimed", "source": "manager"},
    3: {"actor": "bob@example.com", "basis": "probable"},
    4: {"actor": "admin", "impersonated": DEPLOYER, "basis": "exact"},
    5: {"actor": "alice@example.com", "basis": "strong", "source": "stamp"},
    6: {"actor": "system:serviceaccount:kube-system:operator", "basis": "exact"},
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"actor": "bob", "basis": "exact"}, "bob"),
        ({"actor": "bob", "basis": "strong"}, "bob"),
        ({"actor": "bob", "basis": "probable"}, "bob?"),
        ({"actor": "kubectl-set", "basis": "claimed"}, "(kubectl-set)"),
        ({"actor": None, "basis": "unknown"}, "unknown"),
        ({"actor": "admin", "impersonated": "bob", "basis": "exact"}, "admin as bob"),
        (
            {"actor": "admin", "impersonated": DEPLOYER, "basis": "probable"},
            "admin as sa:ci/deployer?",
        ),
    ],
)
def test_an_author_is_named_as_surely_as_is_known(row: dict[str, Any], told: str) -> None:
    assert who(row) == told


def test_a_ticket_that_came_later_says_so() -> None:
    assert ticket_of({"ticket": "CHG-1", "ticket_source": "annotation"}) == "CHG-1"
    assert ticket_of({"ticket": "CHG-1", "ticket_source": "note"}) == "CHG-1 (later)"
    assert ticket_of({"ticket": None}) == "-"


@given(st.from_regex(r"[a-z0-9.-]+", fullmatch=True), st.from_regex(r"[a-z0-9.-]+", fullmatch=True))
def test_a_shortened_account_can_be_told_from_its_short_name(namespace: str, name: str) -> None:
    account = f"system:serviceaccount:{namespace}:{name}"
    assert short(account) == f"sa:{namespace}/{name}"
    assert full(short(account)) == account
    assert (full(name), short(name)) == (name, name)


def test_history_and_changes_say_who_and_how_that_is_known(
    doubtful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("-n", "shop", "--ledger", str(doubtful), "--no-headers", "-o", "wide")
    told = {line.split("   ")[0]: line for line in printed(capsys, "history", "sts/web", *at)}
    expected = {
        "6": ("sa:kube-system/operator", "exact"),
        "5": ("alice@example.com", "strong"),
        "4": ("admin as sa:ci/deployer", "exact"),
        "3": ("bob@example.com?", "probable"),
        "2": ("(kubectl-set)", "claimed"),
    }
    for number, words in expected.items():
        assert all(f"   {word}   " in told[number] for word in words), told[number]
    changes = printed(capsys, "changes", "sts/web", *at)
    for number, words in expected.items():
        (line,) = [line for line in changes if f"   {number}   " in line]
        assert all(f"   {word}   " in line for word in words), line


def test_changes_can_be_asked_for_by_who_made_them(
    doubtful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def numbers(*asked: str) -> list[int]:
        at = ("sts/web", "-n", "shop", "--ledger", str(doubtful), "-o", "json")
        items = json.loads("\n".join(printed(capsys, "changes", *at, *asked)))["items"]
        return [row["number"] for row in items if row["number"] in EVIDENCE]

    assert numbers("--by", "people") == [5, 4, 3]
    assert numbers("--by", "kubernetes") == [6]
    assert numbers("--by", "claimed") == [2]
    assert numbers("--by", "unknown") == []
    assert numbers("--by", "pipelines") == []
    assert numbers("--actor", "admin") == [4]
    assert numbers("--actor", DEPLOYER) == numbers("--actor", "sa:ci/deployer") == [4]


def test_everybody_is_counted_once_by_what_they_are(doubtful: Path, shop: Path) -> None:
    assert ask(shop, "who_changed", "actor by changes proven without_ticket taken_back") == [
        ("alice@example.com", "people", 12, 12, 12, 0),
        ("bob@example.com", "people", 7, 7, 7, 1),
        (DEPLOYER, "pipelines", 7, 7, 7, 1),
    ]
    kinds = dict(ask(doubtful, "who_changed", "actor by"))
    assert kinds["kubectl-set"] == "claimed"
    assert kinds["system:serviceaccount:kube-system:operator"] == "kubernetes"
    assert [actor for (actor,) in ask(shop, "who_changed", "actor", by="pipelines")] == [DEPLOYER]
    assert ask(shop, "unattributed", "number") == []
    assert ask(doubtful, "unattributed", "workload number claimed") == [("web", 2, "kubectl-set")]


def test_status_rollouts_and_blame_name_the_author_as_well(
    doubtful: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("-n", "shop", "--ledger", str(doubtful))
    assert "   started 36s ago by sa:ci/deployer   " in printed(
        capsys, "status", "sts/web", "--watch=false", *at
    )[0]  # fmt: skip
    assert " by admin as sa:ci/deployer" in printed(capsys, "rollouts", "shop/web/4", *at)[2]
    told = printed(capsys, "blame", "sts/web", "env[BASKET]", "--all", *at)
    assert [line.split()[4] for line in told[1:3]] == ["sa:ci/deployer", "bob@example.com"]
    (item,) = json.loads(
        "\n".join(printed(capsys, "blame", "sts/web", "partition", "-o", "json", *at))
    )["items"]
    assert (item["actor"], item["impersonated"], item["basis"]) == (
        "alice@example.com",
        None,
        "exact",
    )


@pytest.mark.parametrize("width", [200, 100, 70])
@pytest.mark.parametrize(
    "command", [["history", "sts/web"], ["changes", "sts/web"], ["blame", "sts/web", "image"]]
)
def test_a_terminal_shows_who_and_loses_nothing(
    width: int, command: list[str], shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*command, "-n", "shop", "--ledger", str(shop)]
    lines = on_terminal(width, *asked)
    assert max(map(len, lines[1:-2])) <= width
    told = "".join("".join(lines).split())
    piped = " ".join(printed(capsys, *asked)[1:-1])
    names = {word.strip(",") for word in piped.split() if set("@:/") & set(word)}
    assert len(names) > 2
    assert {name for name in names if name not in told} == set()
