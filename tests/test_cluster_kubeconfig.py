"""Which cluster, as whom: kubectl's rules, and one line with a way out when they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger.errors import ConfigurationInvalid
from ledger.kubeconfig import find_access
from tests.fake_api import kubeconfig

SERVER = {"server": "http://127.0.0.1:1"}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration but what a test names."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def written(path: Path, document: Any) -> str:
    """The document as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return str(path)


def refused(kubeconfig_path: str | None, context: str | None = None) -> tuple[str, str]:
    """Message and hint."""
    with pytest.raises(ConfigurationInvalid) as caught:
        find_access(kubeconfig_path, context)
    assert "\n" not in caught.value.message + caught.value.hint
    return caught.value.message, caught.value.hint


def test_the_file_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = written(tmp_path / "named", kubeconfig(SERVER, {}, context="named"))
    listed = written(tmp_path / "listed", kubeconfig(SERVER, {}, context="listed"))
    written(tmp_path / "home/.kube/config", kubeconfig(SERVER, {}, context="usual"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert find_access(None, None).context == "usual"
    monkeypatch.setenv("KUBECONFIG", listed)
    assert find_access(None, None).context == "listed"
    assert find_access(named, None).context == "named"


def test_without_a_kubeconfig_a_pod_uses_its_service_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    access = find_access(None, None)
    assert (access.paths, access.server) == ((), "https://10.0.0.1:6443")
    assert [path.name for path in access.files] == ["token", "ca.crt"]


def test_the_service_account_is_left_alone_where_it_was_not_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigurationInvalid, match="there is no kubeconfig"):
        find_access(None, None, service_account="never")


def test_the_service_account_alone_is_used_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBECONFIG", written(tmp_path / "one", kubeconfig(SERVER, {})))
    monkeypatch.setattr("ledger.kubeconfig.SERVICE_ACCOUNT", tmp_path)
    access = find_access(None, None, service_account="only")
    assert (access.paths, access.server) == ((), "https://10.0.0.1:443")
    assert access.namespace == "default"
    (tmp_path / "namespace").write_text("shop\n")
    assert find_access(None, None, service_account="only").namespace == "shop"
    with pytest.raises(ConfigurationInvalid, match="neither kubeconfig nor context"):
        find_access(None, "prod", service_account="only")


def test_the_namespace_is_that_of_the_context(tmp_path: Path) -> None:
    config = kubeconfig(SERVER, {})
    assert find_access(written(tmp_path / "one", config), None).namespace == "default"
    config["contexts"][0]["context"]["namespace"] = "shop"
    assert find_access(written(tmp_path / "two", config), None).namespace == "shop"


def test_of_several_files_the_first_to_name_something_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = written(tmp_path / "a", kubeconfig({"server": "http://first"}, {}, context="one"))
    second = written(tmp_path / "b", kubeconfig({"server": "http://second"}, {}, context="two"))
    missing = str(tmp_path / "missing")
    monkeypatch.setenv("KUBECONFIG", f"{missing}:{first}:{second}")
    access = find_access(None, None)
    assert (access.context, access.server) == ("one", "http://first")
    assert find_access(None, "two").context == "two"


def test_no_configuration_at_all_is_said() -> None:
    assert refused(None) == (
        "no cluster is configured: there is no kubeconfig",
        "name a kubeconfig with --kubeconfig or in the environment's KUBECONFIG",
    )


def test_a_file_that_does_not_exist_is_named_as_kubectl_does(tmp_path: Path) -> None:
    message, _ = refused(str(tmp_path / "none"))
    assert message == f"stat {tmp_path}/none: no such file or directory"


def test_a_context_that_is_not_there_brings_the_ones_that_are(tmp_path: Path) -> None:
    path = written(tmp_path / "config", kubeconfig(SERVER, {}, context="prod"))
    assert refused(path, "stage") == (
        "context was not found for specified context: stage",
        f"contexts in {path}: prod; choose one with --context",
    )


def test_a_file_without_a_current_context_asks_for_one(tmp_path: Path) -> None:
    document = kubeconfig(SERVER, {}, context="prod") | {"current-context": ""}
    path = written(tmp_path / "config", document)
    assert refused(path) == (
        f"{path} has no current-context",
        f"contexts in {path}: prod; choose one with --context",
    )


@pytest.mark.parametrize(
    "document",
    [
        "a: [",
        "- not\n- a mapping",
        "clusters: 5",
        "clusters: [5]",
        "users: [{name: a}]",
        "\x00",
        "contexts: {a: b}",
    ],
)
def test_a_file_that_is_no_kubeconfig_is_said_in_one_line(tmp_path: Path, document: str) -> None:
    path = written(tmp_path / "config", document)
    message, _ = refused(path)
    assert message.startswith(f'error loading config file "{path}": ')


def test_a_context_may_not_name_what_is_not_there(tmp_path: Path) -> None:
    document = kubeconfig(SERVER, {})
    document["contexts"][0]["context"]["user"] = "ghost"
    message, hint = refused(written(tmp_path / "config", document))
    assert message == "context fake names user 'ghost', which the kubeconfig does not have"
    assert hint == "users there: tester"


def test_every_file_that_credentials_come_from_is_minded(tmp_path: Path) -> None:
    token = Path(written(tmp_path / "secrets/token", "one"))
    cluster = SERVER | {"certificate-authority": "ca.crt"}
    path = written(tmp_path / "config", kubeconfig(cluster, {"tokenFile": str(token)}))
    access = find_access(path, None)
    assert access.files == (Path(path), tmp_path / "ca.crt", token)
    before = access.stamps()
    assert access.stamps() == before
    token.write_text("another")
    changed = access.stamps()
    assert changed != before
    written(tmp_path / "ca.crt", "made")
    assert access.stamps() != changed


def test_impersonation_is_kept_or_refused_but_never_left_out(tmp_path: Path) -> None:
    user = {"token": "x", "as": "bob", "as-uid": "7", "as-groups": ["dev"]}
    path = written(tmp_path / "config", kubeconfig(SERVER, user))
    assert find_access(path, None).impersonation == (
        ("Impersonate-User", "bob"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev"),
    )
    user["as-groups"] = ["dev", "ops"]
    message, _ = refused(written(tmp_path / "config", kubeconfig(SERVER, user)))
    assert message == "the kubeconfig impersonates with several groups or extra fields"
