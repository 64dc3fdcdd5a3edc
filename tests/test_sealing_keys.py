"""Recipients and identities: what is taken, what is refused in one line, what doctor finds."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyrage import passphrase, x25519

from ledger.doctor import Finding, examine
from ledger.errors import ConfigurationInvalid, IdentityUnusable
from ledger.model import parse_timestamp
from ledger.sealing import make_identity, open_identities, sealer_for
from ledger.settings import Settings
from tests.line import environment
from tests.recorded import folded, values_of
from tests.sealed import IDENTITIES, OTHERS
from tests.test_sealing_line import keeping

AT = parse_timestamp("2026-11-26T12:00:00Z")
[ONE], [OTHER] = IDENTITIES.recipients, OTHERS.recipients


def test_a_recipient_is_named_or_stands_in_a_file(tmp_path: Path) -> None:
    listed = tmp_path / "recipients"
    listed.write_text(f"# operators\n{OTHER}\n\n  {ONE}  \n")
    both = tuple(sorted((ONE, OTHER)))
    assert sealer_for([ONE]).recipients == (ONE,)
    assert sealer_for([str(listed)]).recipients == both
    assert sealer_for([ONE, str(listed), f" {OTHER.upper()} "]).recipients == both


def test_the_key_id_names_the_set_of_recipients_in_any_order() -> None:
    ids = {sealer_for(each).key_id for each in ([ONE, OTHER], [OTHER, ONE, ONE])}
    assert len(ids) == 1
    assert len(ids | {sealer_for([ONE]).key_id, sealer_for([OTHER]).key_id}) == 3


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("age1qqqq", "age1qqqq is no age recipient"),
        ("none-such", "none-such cannot be read: No such file or directory"),
        ("empty", "empty holds no age recipient"),
        ("wrong", "ssh-ed25519 AAAA in wrong is no age recipient"),
        ("identity", "a line in identity is no age recipient"),
        ("binary", "binary cannot be read: it is not a list of recipients"),
        ("huge", "huge cannot be read: it is not a list of recipients"),
        ("AGE-SECRET-KEY-1QQQ", "--seal-to was given an age identity"),
    ],
)
def test_what_is_no_recipient_is_refused(
    told: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("# nobody yet\n")
    Path("wrong").write_text("ssh-ed25519 AAAA\n")
    Path("identity").write_text(str(IDENTITIES.keys[0]))
    Path("binary").write_bytes(b"\xff\xfe\x00")
    Path("huge").write_text(f"{ONE}\n" * 2_000)
    with pytest.raises(ConfigurationInvalid) as refused:
        sealer_for([told])
    assert refused.value.message.startswith(message)
    assert "SECRET-KEY" not in refused.value.message.partition("--seal-to")[0]
    assert refused.value.hint


def told_by(*arguments: str, **more: str) -> str:
    """What a command that fails says on stderr, run apart: `watch` gives up what a test needs."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger", *arguments],
        env=environment() | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done
    return done.stderr


@pytest.mark.parametrize("command", ["watch", "serve"])
def test_a_wrong_recipient_is_refused_before_anything_is_made(command: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    told = told_by(command, "--data", str(data), "--seal-to", "age1x")
    assert told.splitlines()[0].startswith("error: age1x is no age recipient")
    assert not data.exists()


def test_recipients_may_come_from_the_environment(tmp_path: Path) -> None:
    told = told_by("watch", "--data", str(tmp_path), ROLLOUT_LEDGER_WATCH_SEAL_TO=f"{ONE} age1x")
    assert told.splitlines()[0].startswith("error: age1x is no age recipient")


def test_an_identity_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    recipient = make_identity(path, apart_from=[tmp_path / "data"], now=AT)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_identities(path).recipients == (recipient,)
    with pytest.raises(IdentityUnusable, match="File exists"):
        make_identity(path, apart_from=[], now=AT)
    assert open_identities(path).recipients == (recipient,)


def test_an_identity_is_never_made_beside_the_data(tmp_path: Path) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    (data / "keys").mkdir(parents=True)
    link.symlink_to(data)
    for path in (data / "id", data / "keys" / "id", link / "id", data / "keys" / ".." / "id"):
        with pytest.raises(IdentityUnusable, match="beside what it opens"):
            make_identity(path, apart_from=[data], now=AT)
    assert not [path for path in data.rglob("*") if path.is_file()]
    told = told_by("keys", "identity", "--out", str(data / "id"), "--data", str(data))
    assert "beside what it opens" in told
    with pytest.raises(IdentityUnusable, match="cannot be written"):
        make_identity(tmp_path / "no" / "id", apart_from=[data], now=AT)


def test_identities_are_read_from_a_file_as_age_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    keys = [*IDENTITIES.keys, *OTHERS.keys]
    path.write_text("".join(f"# created: today\n{key}\n" for key in keys))
    path.chmod(0o600)
    assert open_identities(path).recipients == (ONE, OTHER)


@pytest.mark.parametrize(
    ("content", "mode", "message", "hint"),
    [
        (f"{IDENTITIES.keys[0]}", 0o644, "can be read by others", "chmod 600"),
        ("AGE-SECRET-KEY-1QQQ", 0o600, "holds a damaged age identity", "backup"),
        (ONE, 0o600, "holds no age identity", "AGE-SECRET-KEY-1"),
        ("", 0o600, "holds no age identity", "AGE-SECRET-KEY-1"),
        ("x" * 100_000, 0o600, "holds no age identity", "AGE-SECRET-KEY-1"),
        (
            "-----BEGIN AGE ENCRYPTED FILE-----\n",
            0o600,
            "is itself encrypted",
            "decrypt it into a pipe",
        ),
        (
            passphrase.encrypt(b"x", "pass").decode("latin-1"),
            0o600,
            "is itself encrypted",
            "decrypt it into a pipe",
        ),
    ],
    ids=["open", "damaged", "recipient", "empty", "large", "armored", "encrypted"],
)
def test_what_is_no_identity_is_refused_and_never_quoted(
    content: str, mode: int, message: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "identity"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(mode)
    with pytest.raises(IdentityUnusable) as refused:
        open_identities(path)
    assert refused.value.message == f"{path} {message}"
    assert hint in refused.value.hint
    assert str(IDENTITIES.keys[0]) not in str(refused.value)


def test_an_identity_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(IdentityUnusable, match="No such file"):
        open_identities(tmp_path / "none")
    with pytest.raises(IdentityUnusable, match="Is a directory"):
        open_identities(tmp_path)


def test_an_identity_may_come_through_a_pipe() -> None:
    reading, writing = os.pipe()
    os.write(writing, f"{IDENTITIES.keys[0]}\n".encode())
    os.close(writing)
    try:
        assert open_identities(Path(f"/dev/fd/{reading}")).recipients == (ONE,)
    finally:
        os.close(reading)


def found(data: Path, check: str) -> list[Finding]:
    """What doctor says of one check."""
    findings = asyncio.run(
        examine(Settings(data), kubeconfig=str(data / "no-kubeconfig"), context=None)
    )
    return [finding for finding in findings if finding.check == check]


@pytest.mark.parametrize("place", ["identity", "keys/deep/down/notes.txt", "log/age.key"])
def test_doctor_finds_an_identity_beside_the_data(place: str, tmp_path: Path) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"my key: {str(x25519.Identity.generate()).lower()}\n")
    [finding] = found(tmp_path, "age identity")
    assert finding.state == "failed"
    assert finding.detail.startswith(str(path))
    assert "move it" in finding.remedy
    assert "1 " not in finding.detail.partition("AGE")[2]


def test_doctor_finds_no_identity_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "recipients").write_text(ONE)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.db").write_bytes(b"x" * 100_000 + b"AGE-SECRET-KEY-1")
    assert found(tmp_path, "age identity") == []


def test_doctor_says_whether_originals_are_sealed(demo: Path, tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir()
    folded(values_of(demo, "strict"), settings.ledger_path)
    [finding] = found(tmp_path, "originals")
    assert finding.state == "warning"
    assert "cannot be restored once Kubernetes has pruned its revision" in finding.detail
    assert "--seal-to" in finding.remedy
    settings.ledger_path.unlink()
    folded(values_of(demo, "strict", originals=keeping()), settings.ledger_path)
    [finding] = found(tmp_path, "originals")
    assert (finding.state, finding.remedy) == ("ok", "")
    assert finding.detail == (
        f"sealed to {sealer_for([ONE]).key_id}; 0 revisions cannot be restored"
    )
    settings.ledger_path.unlink()
    folded(values_of(demo, "off"), settings.ledger_path)
    [finding] = found(tmp_path, "originals")
    assert (finding.state, finding.remedy) == ("ok", "")
