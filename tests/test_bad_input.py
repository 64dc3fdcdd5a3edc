"""Whatever is wrong gets one line that says what, a hint that says what to do, and an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.cluster import Cluster
from tests.lab.topics import Topics
from tests.lab.users import NOBODY, WATCHER
from tests.line import environment
from tests.recorded import folded, values_of


def told(*arguments: str, seconds: float = 60) -> tuple[int, str, list[str]]:
    """A command's exit code, output and lines of error."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        env=environment(),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def refused(*arguments: str, code: int, error: str, hint: str = "") -> None:
    """The command fails with one line of error and, where there is one, one of hint."""
    exit_code, output, lines = told(*arguments)
    assert exit_code == code, lines
    assert output == ""
    assert error in lines[0], lines
    assert lines[0].startswith(("error: ", "Error from server", "The connection to the server"))
    assert len(lines) == (2 if hint else len(lines)), lines
    assert all("Traceback" not in line for line in lines)
    if hint:
        assert lines[1].startswith("hint: ")
        assert hint in lines[1], lines


@pytest.fixture(scope="module")
def ledger(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(folded(values_of(demo), tmp_path_factory.mktemp("bad") / "ledger.db"))


def test_a_ledger_that_is_missing(tmp_path: Path) -> None:
    refused("history", "--data", str(tmp_path), code=1, error="there is no ledger", hint="demo")


@pytest.mark.parametrize("content", [b"", b"not a database at all, just text\n" * 40, b"\0" * 5000])
def test_a_ledger_that_is_foreign(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(content)
    refused("history", "--ledger", str(path), code=1, error="notes.db", hint="ledger")
    assert path.read_bytes() == content


def test_a_ledger_that_is_a_folder(tmp_path: Path) -> None:
    refused("history", "--ledger", str(tmp_path), code=1, error="cannot be read", hint="ledger")


def test_a_workload_that_was_never_recorded(ledger: str) -> None:
    at = ("--ledger", ledger)
    refused(
        "history", "sts/wbe", "-n", "shop", *at, code=3, error='"wbe" not found', hint="sts/web"
    )
    refused("history", "sts/web", *at, code=3, error='"web" not found', hint="-n shop")
    refused(
        "show", "sts/web", "--revision", "77", "-n", "shop", *at,
        code=3, error="revision 77 of shop/web was never recorded", hint="the newest are",
    )  # fmt: skip


def test_a_statefulset_that_kubectl_would_not_find(ledger: str) -> None:
    code, output, lines = told("history", "sts/x", "-o", "kubectl", "--ledger", ledger)
    assert (code, output) == (1, "")
    assert lines == ['Error from server (NotFound): statefulsets.apps "x" not found']


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["history", "deploy/web"], 'no resource type "deploy"', "sts/web"),
        (["history", "--since", "yesterday"], "'yesterday' is not a time", "30m"),
        (["query", "nonsense"], 'no query named "nonsense"', "--list"),
        (["query", "history", "-p", "nmae=web"], 'no parameter "nmae"', "namespace"),
        (["query", "history", "-p", "web"], "not NAME=VALUE", "-p"),
        (["diff", "sts/web", "1", "2", "3", "-n", "shop"], "two revisions", "7..9"),
        (["web", "--host", "0.0.0.0"], "can be reached by others", "proxy"),
    ],
)
def test_words_that_do_not_fit(ledger: str, arguments: list[str], error: str, hint: str) -> None:
    refused(*arguments, "--ledger", ledger, code=2, error=error, hint=hint)


def test_an_unknown_command_or_option_is_a_usage_error() -> None:
    assert told("hystory")[0] == 2
    assert told("history", "--nonsense")[0] == 2


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("mysql://x/y", "is not a log's address"),
        ("kafka://localhost", "kafka://localhost"),
        ("kafka://127.0.0.1:1/topic", "127.0.0.1:1"),
    ],
)
def test_a_log_address_that_leads_nowhere(tmp_path: Path, log: str, error: str) -> None:
    at = ("--data", str(tmp_path), "--log", log)
    refused("consume", "--once", *at, code=1, error=error)


def test_a_log_that_is_missing_or_foreign(tmp_path: Path) -> None:
    at = ("--data", str(tmp_path))
    refused("consume", "--once", *at, code=1, error="there is no log", hint="watch")
    path = tmp_path / "log" / "log.db"
    path.parent.mkdir()
    path.write_bytes(b"something else entirely\n" * 300)
    refused("consume", "--once", *at, code=1, error="log.db")
    assert path.read_bytes() == b"something else entirely\n" * 300


def test_a_kubeconfig_that_is_missing_broken_or_without_the_context(tmp_path: Path) -> None:
    at = ("watch", "--data", str(tmp_path / "data"), "--kubeconfig")
    refused(*at, str(tmp_path / "none"), code=1, error="none")
    broken = tmp_path / "broken"
    broken.write_text("{[}")
    refused(*at, str(broken), code=1, error="broken")
    good = kubeconfig(tmp_path / "good", "https://127.0.0.1:1", "t0ken")
    refused(*at, str(good), "--context", "prod", code=1, error="context: prod", hint="lab")


def test_an_api_server_that_does_not_answer(tmp_path: Path) -> None:
    dead = kubeconfig(tmp_path / "dead", "http://127.0.0.1:1", "t0ken")
    at = ("watch", "--data", str(tmp_path / "data"), "--kubeconfig", str(dead))
    refused(*at, code=1, error="127.0.0.1:1")


def test_a_token_that_is_wrong_and_rights_that_are_missing(
    control_plane: Cluster, tmp_path: Path
) -> None:
    at = ("watch", "--data", str(tmp_path / "data"), "--kubeconfig")
    raw: dict[str, Any] = yaml.safe_load(control_plane.kubeconfig(WATCHER).read_text())
    for user in raw["users"]:
        user["user"] = {"token": "expired"}
    expired = tmp_path / "expired"
    expired.write_text(yaml.safe_dump(raw))
    refused(*at, str(expired), code=1, error="Unauthorized", hint="token")
    nobody = str(control_plane.kubeconfig(NOBODY))
    refused(*at, nobody, code=1, error="Error from server (Forbidden)", hint="rbac.yaml")
    refused(
        *at, nobody, "--cluster-id", "c-1", "-n", "default",
        code=1, error="Error from server (Forbidden)", hint="rbac.yaml",
    )  # fmt: skip


def test_a_topic_that_cannot_be_a_log(broker: Topics, topic: str, tmp_path: Path) -> None:
    def consume(name: str, *, error: str) -> None:
        log = f"kafka://{broker.address}/{name}"
        at = ("--data", str(tmp_path / name), "--log", log)
        refused("consume", "--once", *at, code=1, error=error)

    consume("never-made", error="never-made")
    broker.create_topic(f"{topic}-two", partitions=2)
    consume(f"{topic}-two", error="2 partitions")
    broker.create_topic(f"{topic}-compact", config={"cleanup.policy": "compact"})
    consume(f"{topic}-compact", error="compact")
    for suffix in ("two", "compact"):
        broker.delete_topic(f"{topic}-{suffix}")


def test_a_log_of_another_cluster(
    control_plane: Cluster, demo: Path, tutorial: Path, tmp_path: Path
) -> None:
    from ledger.log.sqlite import LogFile

    data = tmp_path / "data"
    with LogFile.create(data / "log" / "log.db") as log:
        log.append(values_of(demo))
    kubeconfig_path = str(control_plane.kubeconfig(WATCHER))
    at = ("--data", str(data))
    refused(
        "watch", *at, "--kubeconfig", kubeconfig_path,
        code=1, error="the log is of cluster", hint="--data",
    )  # fmt: skip
    folded(values_of(tutorial), data / "ledger" / "ledger.db")
    refused("consume", "--once", *at, code=1, error="the log is of cluster", hint="--data")


def kubeconfig(path: Path, server: str, token: str) -> Path:
    """A kubeconfig with one context, `lab`."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": server}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path
