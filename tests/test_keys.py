"""The key ring is made once, kept closed, and says in one line what is wrong with it."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.errors import KeyMismatch, KeyUnreadable
from ledger.keys import KeyRing, check_key

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_first_start_makes_keys_that_only_the_owner_can_read(tmp_path: Path) -> None:
    ring = KeyRing.open_or_create(tmp_path / "keys", now=NOW)
    key_id, secret = ring.redaction_key()
    assert len(key_id) == 8
    assert len(secret) == 32
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (tmp_path / "keys").iterdir()}
    assert modes["redaction.json"] == modes["signing.pem"] == modes["signing.pub"] == "0o600"


def test_second_start_finds_the_same_key(tmp_path: Path) -> None:
    first = KeyRing.open_or_create(tmp_path, now=NOW)
    assert KeyRing.open_or_create(tmp_path, now=NOW) == first


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(KeyRing.open_or_create(tmp_path, now=NOW).current.id)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_rotation_retires_the_old_key_and_a_key_found_in_the_log(tmp_path: Path) -> None:
    first = KeyRing.open_or_create(tmp_path, now=NOW)
    second = first.rotate(now=NOW, also_retire="feedbeef")
    assert second.current.id != first.current.id
    assert KeyRing.open(tmp_path) == second
    assert all(second.knows(key_id) for key_id in (first.current.id, "feedbeef"))
    check_key(second, "feedbeef")


def test_a_log_under_an_unknown_key_is_refused_with_the_remedy(tmp_path: Path) -> None:
    ring = KeyRing.open_or_create(tmp_path, now=NOW)
    check_key(ring, "")
    check_key(ring, ring.current.id)
    with pytest.raises(KeyMismatch, match="redacted under key 0badc0de") as refused:
        check_key(ring, "0badc0de")
    assert "keys rotate" in refused.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"current": "a", "keys": []}', b"\xff\x00"]
)
def test_a_damaged_ring_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    KeyRing.open_or_create(tmp_path, now=NOW)
    (tmp_path / "redaction.json").write_bytes(content)
    with pytest.raises(KeyUnreadable, match="is damaged"):
        KeyRing.open_or_create(tmp_path, now=NOW)
    assert (tmp_path / "redaction.json").read_bytes() == content


def test_a_secret_that_is_not_its_id_is_damage(tmp_path: Path) -> None:
    ring = KeyRing.open_or_create(tmp_path, now=NOW)
    raw = json.loads((tmp_path / "redaction.json").read_text())
    raw["keys"][0]["secret"] = "AAAA"
    (tmp_path / "redaction.json").write_text(json.dumps(raw))
    with pytest.raises(KeyUnreadable, match="is damaged"):
        KeyRing.open(ring.folder)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    KeyRing.open_or_create(tmp_path, now=NOW)
    (tmp_path / "redaction.json").chmod(0o644)
    with pytest.raises(KeyUnreadable, match="can be read by others") as refused:
        KeyRing.open(tmp_path)
    assert refused.value.hint == f"chmod 600 {tmp_path / 'redaction.json'}"


def test_listing_names_ids_and_never_a_secret(tmp_path: Path) -> None:
    ring = KeyRing.open_or_create(tmp_path, now=NOW)
    listed = ring.describe()
    assert [(row["kind"], row["state"]) for row in listed] == [
        ("redaction", "current"),
        ("signing", "current"),
    ]
    raw = json.loads((tmp_path / "redaction.json").read_text())
    assert raw["keys"][0]["secret"] not in json.dumps(listed)
