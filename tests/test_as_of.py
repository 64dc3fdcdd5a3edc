"""Questions about a time gone by: which incarnation answers, and what is said where nobody saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import run

Asked = Callable[..., tuple[int, str, str]]
UPDATED, GONE, AGAIN = "2026-11-23T12:54:30Z", "2026-11-23T13:00:30Z", "2026-11-23T13:02:00Z"
"""kafka is being updated, is deleted, and is there again under another uid."""

RETURNING = "2026-11-23T13:02:40Z"
"""web goes on to revision 10; its revision 9 is to be taken up again as 11."""

AFTERWARDS = "2026-11-25T00:00:00Z"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data, log and all."""
    folder = tmp_path_factory.mktemp("demo")
    assert run(["demo", "--no-web", "--data", str(folder)]) == 0
    return folder / "demo"


@pytest.fixture
def asked(data: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    """What a command answers: its exit code and both streams."""

    def ask(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([*arguments, "--data", str(data)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return ask


def items(asked: Asked, *arguments: str) -> list[dict[str, Any]]:
    """The items of a command's JSON answer."""
    code, out, _ = asked(*arguments, "-o", "json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["items"]
    return found


def test_status_is_that_of_the_incarnation_that_was_there(asked: Asked) -> None:
    (then,) = items(asked, "status", "sts/kafka", "-n", "data", "--as-of", UPDATED)
    (now,) = items(asked, "status", "sts/kafka", "-n", "data", "--as-of", AGAIN)
    assert then["workload_uid"] != now["workload_uid"]
    assert (then["phase"], then["updated"], now["phase"]) == ("progressing", 1, "complete")


def test_a_revision_has_the_number_that_it_had_then(asked: Asked) -> None:
    (then,) = items(asked, "status", "sts/web", "-n", "shop", "--as-of", RETURNING)
    assert [(pod["name"], pod["number"]) for pod in then["pods"]] == [
        ("web-2", 10),
        ("web-1", 10),
        ("web-0", 9),
    ]
    _, out, _ = asked("status", "sts/web", "-n", "shop", "--as-of", RETURNING)
    assert "rev 11" not in out
    rows = items(asked, "history", "sts/web", "-n", "shop", "--as-of", RETURNING)
    assert [(row["number"], row["status"]) for row in rows[:2]] == [(10, "open"), (9, "complete")]


def test_what_was_not_there_is_left_out_unless_asked_for_by_name(asked: Asked) -> None:
    def there(at: str) -> set[str]:
        return {row["name"] for row in items(asked, "status", "-A", "--as-of", at)}

    assert there("2026-11-23T12:52:49.900Z") == {"postgres"}
    assert there(GONE) == {"postgres", "web"}
    assert there(AGAIN) == {"kafka", "postgres", "web"}
    code, _, err = asked("status", "sts/kafka", "-n", "data", "--as-of", GONE)
    assert (code, err.splitlines()[0].partition(" at ")[0]) == (
        3,
        'error: statefulsets.apps "kafka" was deleted',
    )
    code, _, err = asked("status", "sts/web", "-n", "shop", "--as-of", "2026-11-23T12:00:00Z")
    assert code == 3
    assert "is not known to have been there" in err


def test_history_counts_what_there_was_then(asked: Asked) -> None:
    question = ("history", "sts/web", "-n", "shop", "--as-of", "2026-11-23T12:59:06Z")
    code, out, _ = asked(*question, "--limit", "2")
    assert code == 0
    assert "7 revisions, 2 of them no longer in the cluster" in out.splitlines()[0]
    code, out, _ = asked("history", "sts/kafka", "-n", "data", "--as-of", UPDATED)
    assert "deleted" not in out
    assert [row["workload"] for row in items(asked, "history", "-A", "--as-of", UPDATED)] == [
        *("kafka", "kafka", "postgres"),
        *("web", "web"),
    ]


@pytest.mark.parametrize("verb", ["status", "history"])
def test_what_nobody_watched_is_answered_with_a_warning(asked: Asked, verb: str) -> None:
    code, out, err = asked(verb, "sts/web", "-n", "shop", "--as-of", AFTERWARDS)
    assert (code, err.startswith("warning: nobody watched statefulsets")) == (0, True)
    assert out
    assert asked(verb, "sts/web", "-n", "shop", "--as-of", UPDATED)[2] == ""


@pytest.mark.parametrize("verb", ["status", "history"])
def test_what_is_yet_to_come_is_not_answered(asked: Asked, verb: str) -> None:
    code, out, err = asked(verb, "sts/web", "-n", "shop", "--as-of", "2999-01-01T00:00:00Z")
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "error: 2999-01-01T00:00:00Z is yet to come"


def test_kubectls_history_is_that_of_now_alone(asked: Asked) -> None:
    for more in (["--as-of", UPDATED], ["--all-changes"], ["--all-incarnations"]):
        code, out, err = asked("history", "sts/web", "-n", "shop", "-o", "kubectl", *more)
        assert (code, out, len(err.splitlines())) == (2, "", 2)


def test_wrong_numbers_and_lengths_are_refused_whether_used_or_not(asked: Asked) -> None:
    assert asked("changes", "-A", "--limit", "-3")[0] == 2
    assert asked("rollouts", "-A", "--limit", "-3")[0] == 2
    assert asked("status", "sts/web", "-n", "shop", "--timeout", "abc")[0] == 2


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("BASKET", ["containers[web].env[BASKET]"]),
        ("restartedAt", ["metadata.annotations[kubectl.kubernetes.io/restartedAt]"]),
        ("labels", ["metadata.labels.app"]),
        ("rollingUpdate", ["maxUnavailable", "partition"]),
    ],
)
def test_blame_takes_a_key_or_all_beneath_a_name(
    asked: Asked, word: str, fields: list[str]
) -> None:
    found = items(asked, "blame", "sts/web", word, "-n", "shop")
    named = {row["field"].removeprefix("updateStrategy.rollingUpdate.") for row in found}
    assert named == set(fields)
    code, _, err = asked("blame", "sts/web", "restartdAt", "-n", "shop")
    assert (code, err.splitlines()[1]) == (
        3,
        "hint: did you mean restartedAt, restartPolicy?",
    )
