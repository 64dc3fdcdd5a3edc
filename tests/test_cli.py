"""The commands as people and scripts meet them: a table, a pipe, a machine format, an exit code."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from ledger.cli import COMMANDS, group
from ledger.cli.completion import candidates
from ledger.keys import KeyRing, check_key
from ledger.log.sqlite import LogFile
from tests.line import environment
from tests.recorded import KEY_ID, folded, values_of


@pytest.fixture(scope="module")
def ledger(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(folded(values_of(demo), tmp_path_factory.mktemp("cli") / "ledger.db"))


def ran(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(group, list(arguments), prog_name="rollout-ledger")
    assert done.exit_code == code, done.output
    return done.output


def test_every_command_has_help_with_an_example() -> None:
    for name in COMMANDS:
        told = ran(name, "--help")
        assert "Example:" in told, name


def test_a_piped_history_is_plain_columns_with_nothing_cut(ledger: str) -> None:
    lines = ran("history", "sts/web", "-n", "shop", "--ledger", ledger).splitlines()
    assert lines[0].startswith("statefulset.apps/web   namespace shop   12 revisions, 7 of them")
    assert lines[1].split() == [
        "REV", "AGE", "STATUS", "TOOK", "TRIGGER", "BY", "CHANGE", "TICKET", "CHANGE-CAUSE",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:14]] == [str(n) for n in range(12, 0, -1)]
    assert "undo to 5" in lines[7]
    assert "INC-2038: 2.5.0 was never pushed, back to 2.4.2" in lines[7]
    assert lines[-1].startswith("Recording: ended 2026-")
    assert all(line.isascii() for line in lines)


def test_a_copied_cause_is_never_told_as_fact(ledger: str) -> None:
    rows = json.loads(ran("history", "sts/web", "-n", "shop", "-o", "json", "--ledger", ledger))
    sixth = next(row for row in rows["items"] if row["number"] == 6)
    assert (sixth["change_cause_stale"], sixth["change_cause_state"]) == (1, "stale")
    plain = ran("history", "sts/web", "-n", "shop", "--ledger", ledger)
    assert "faster checkout" not in next(li for li in plain.splitlines() if li.startswith("6 "))


def test_the_machine_formats_say_the_same(ledger: str) -> None:
    def told(output: str) -> str:
        return ran("history", "sts/web", "-n", "shop", "-o", output, "--ledger", ledger)

    document = json.loads(told("json"))
    assert (document["apiVersion"], document["kind"]) == ("rollout-ledger/v1", "HistoryList")
    assert document["freshness"]["state"] == "ended"
    items = document["items"]
    assert yaml.safe_load(told("yaml"))["items"] == items
    assert [json.loads(line) for line in told("jsonl").splitlines()] == items
    rows = list(csv.DictReader(io.StringIO(told("csv"))))
    assert [row["number"] for row in rows] == [str(item["number"]) for item in items]
    promised = (
        "number name trigger undo_of status summary actor basis change_cause change_cause_stale "
        "ticket reason restorable pruned_at observed_at took_seconds"
    )
    assert set(promised.split()) <= set(items[0])
    assert told("name").splitlines()[0] == f"controllerrevision.apps/{items[0]['name']}"


def test_kubectls_own_words_byte_for_byte(ledger: str) -> None:
    told = ran("history", "sts/web", "-n", "shop", "-o", "kubectl", "--ledger", ledger)
    assert told == (
        "statefulset.apps/web \n"
        "REVISION  CHANGE-CAUSE\n"
        "7         CHG-1530: web 2.4.0, faster checkout\n"
        "8         INC-2038: 2.5.0 was never pushed, back to 2.4.2\n"
        "10        CHG-1530: web 2.4.0, faster checkout\n"
        "11        INC-2038: 2.5.0 was never pushed, back to 2.4.2\n"
        "12        CHG-1541: web 2.6.0, new search\n"
        "\n"
    )


@pytest.mark.parametrize(
    "target", [["sts/web"], ["statefulset", "web"], ["web"], ["statefulsets.apps/web"]]
)
def test_targets_are_written_as_for_kubectl(ledger: str, target: list[str]) -> None:
    told = ran("history", *target, "-n", "shop", "-o", "name", "--ledger", ledger)
    assert len(told.splitlines()) == 12


def test_all_namespaces_selectors_and_filters_narrow(ledger: str) -> None:
    def numbers(*arguments: str) -> list[tuple[str, int]]:
        told = ran("history", *arguments, "-o", "json", "--ledger", ledger)
        return [(row["workload"], row["number"]) for row in json.loads(told)["items"]]

    assert {name for name, _ in numbers("-A")} == {"kafka", "postgres", "web"}
    assert {name for name, _ in numbers("-A", "-l", "app=web")} == {"web"}
    assert {name for name, _ in numbers("-A", "-l", "app!=web")} == {"kafka", "postgres"}
    assert numbers("web", "-n", "shop", "--image", "2.4.1") == [("web", 3)]
    assert numbers("web", "-n", "shop", "--limit", "2") == [("web", 12), ("web", 11)]
    assert len(numbers("kafka", "-n", "data")) == 1
    assert len(numbers("kafka", "-n", "data", "--all-incarnations")) == 3


def test_diff_tells_fields_by_key_and_ends_as_kubectl_diff_does(ledger: str) -> None:
    at = ("-n", "shop", "--ledger", ledger)
    told = ran("diff", "sts/web", "11..12", *at, code=1).splitlines()
    assert told[1:3] == [
        "containers[web].env[BASKET]   new -> classic",
        "containers[web].image         shop/web:2.4.2 -> shop/web:2.6.0",
    ]
    assert ran("diff", "sts/web", "7", "5", *at).splitlines()[1].startswith("0 fields differ")
    assert ran("diff", "sts/web", "-1", *at, code=1).splitlines()[1:3] == told[1:3]
    hidden = ran("diff", "sts/postgres", "1..2", *at, code=1)
    assert "(hidden) -> (hidden)" in hidden
    assert "hunter2" not in hidden
    document = json.loads(ran("diff", "sts/web", "11..12", "-o", "json", *at, code=1))
    assert [item["path"] for item in document["items"]] == [
        "containers[web].env[BASKET]",
        "containers[web].image",
    ]


def test_diff_hands_over_to_the_program_kubectl_diff_would_use(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", f"{sys.executable} -c 'import sys; sys.exit(1)'")
    assert ran("diff", "sts/web", "11..12", "-n", "shop", "--ledger", ledger, code=1) == ""


def test_show_prints_the_template_alone(ledger: str) -> None:
    at = ("-n", "shop", "--ledger", ledger)
    template = yaml.safe_load(ran("show", "sts/web", "--revision", "1", "-o", "yaml", *at))
    assert template["spec"]["containers"][0]["image"] == "shop/web:2.3.0"
    facts = ran("show", "sts/web", "--revision", "1", *at)
    assert "history limit 3" in facts
    assert "Restorable       yes: the recorded template is whole" in facts


def test_a_number_used_twice_lists_the_candidates(tutorial: Path, tmp_path: Path) -> None:
    path = str(folded(values_of(tutorial), tmp_path / "l.db"))
    done = subprocess.run(
        [sys.executable, "-m", "ledger", "show", "sts/db", "--revision", "1", "--ledger", path],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 2
    first, hint = done.stderr.splitlines()[:2]
    assert first.startswith("error: revision 1 of default/db was used")
    assert hint.startswith("hint: say which: 1~")


def test_the_fleets_timeline_is_newest_first(ledger: str) -> None:
    items = json.loads(ran("changes", "-A", "-o", "json", "--ledger", ledger))["items"]
    times = [item["at"] for item in items]
    assert times == sorted(times, reverse=True)
    assert {"create", "change", "undo", "restart", "deleted"} <= {item["what"] for item in items}


def test_named_queries_take_parameters(ledger: str) -> None:
    listed = ran("query", "--list")
    assert "history" in listed
    told = ran("query", "history", "-p", "name=web", "-o", "csv", "--ledger", ledger)
    assert len(told.splitlines()) == 13
    assert "No gaps recorded." in ran("gaps", "--ledger", ledger)


def test_an_old_recording_warns_and_fresh_makes_it_an_exit_code(demo: Path, tmp_path: Path) -> None:
    cut = [v for v in values_of(demo) if b'"stream-stop"' not in v]
    path = str(folded(cut, tmp_path / "l.db"))
    command = [sys.executable, "-m", "ledger", "history", "-A", "--ledger", path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: the recording is stale")
    assert "Recording: stale, last heard" in done.stdout
    done = subprocess.run(
        [*command, "--fresh"], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 3


def test_history_loads_nothing_heavy(ledger: str) -> None:
    heavy = "kubernetes_asyncio aiohttp aiokafka datasette sqlite_utils rich yaml cryptography"
    script = (
        "import sys\nfrom ledger.cli import run\n"
        f"run(['history', '-A', '--ledger', {ledger!r}])\n"
        f"print([m for m in {heavy.split()!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_completion_knows_commands_options_and_workloads(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_LEDGER", ledger)
    assert candidates([], "hi") == ["history"]
    assert "--all-namespaces" in candidates(["history"], "--al")
    assert candidates(["history", "-n", "shop"], "sts/w") == ["sts/web"]
    assert candidates(["diff", "-A"], "") == ["sts/kafka", "sts/postgres", "sts/web"]
    assert candidates(["history", "-n", "nowhere"], "") == []
    monkeypatch.setenv("ROLLOUT_LEDGER", "/nowhere/ledger.db")
    assert candidates(["history"], "") == []


def test_the_environment_stands_for_options(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLOUT_LEDGER", ledger)
    monkeypatch.setenv("ROLLOUT_LEDGER_HISTORY_OUTPUT", "name")
    assert len(ran("history", "web", "-n", "shop").splitlines()) == 12


def test_options_may_stand_before_the_command(ledger: str) -> None:
    assert len(ran("--ledger", ledger, "history", "web", "-n", "shop", "-o", "name").split()) == 12


@pytest.fixture
def served(demo: Path, tmp_path: Path) -> Iterator[str]:
    """The demo's ledger behind a Datasette on loopback; its address."""
    path = folded(values_of(demo), tmp_path / "ledger.db")
    command = [sys.executable, "-m", "ledger", "web", "--ledger", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as web:
        assert web.stdout is not None
        timer = threading.Timer(30, web.kill)
        timer.start()
        line = web.stdout.readline()
        try:
            yield line.partition(" on ")[2].partition(" ")[0].rstrip("/")
        finally:
            web.terminate()
            assert web.wait(15) == 0
            timer.cancel()


def test_a_ledger_can_be_read_from_a_datasette(served: str, ledger: str) -> None:
    at = ("history", "sts/web", "-n", "shop", "-o", "jsonl", "--ledger")
    assert ran(*at, f"{served}/ledger") == ran(*at, ledger)
    done = subprocess.run(
        [sys.executable, "-m", "ledger", "history", "--ledger", f"{served}/nothing"],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()[0].partition(" answers ")[2]) == (1, "404")


def test_rotating_keys_retires_the_one_a_foreign_log_was_written_under(
    demo: Path, tmp_path: Path
) -> None:
    with LogFile.create(tmp_path / "log" / "log.db") as log:
        log.append(values_of(demo))
    told = ran("keys", "rotate", "--data", str(tmp_path))
    assert told.startswith("new redaction key ")
    listed = ran("keys", "--data", str(tmp_path)).splitlines()
    states = [(line.split()[0] == KEY_ID, *line.split()[1:3]) for line in listed]
    assert states == [
        (False, "redaction", "current"),
        (False, "redaction", "retired"),
        (True, "redaction", "retired"),
        (False, "signing", "current"),
    ]
    check_key(KeyRing.open(tmp_path / "keys"), KEY_ID)


def test_a_rebuild_says_whether_anything_changed(demo: Path, tmp_path: Path) -> None:
    with LogFile.create(tmp_path / "log" / "log.db") as log:
        log.append(values_of(demo))
    at = ("--data", str(tmp_path))
    assert "records folded" in ran("consume", "--once", *at)
    assert "(the same as before)" in ran("rebuild", *at)


def test_every_command_is_named_in_the_readme_or_its_help() -> None:
    context = click.Context(group)
    assert group.list_commands(context) == list(COMMANDS)
