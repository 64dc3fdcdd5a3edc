"""The key ring: the HMAC keys that redaction tags are made with, and the Ed25519 key that signs
tree heads.

Made on first start in the installation's keys folder, readable by its owner only, never beside what
it protects in a backup. A retired redaction key is kept: old records can still be compared with
what it hides, and a watcher knows that the log it goes on with is its own.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.errors import KeyMismatch, KeyUnreadable
from ledger.model import timestamp

RING = "redaction.json"
SIGNING_KEY = "signing.pem"
SIGNING_PUBLIC_KEY = "signing.pub"
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class RedactionKey:
    """One HMAC key. `secret` is None for a key that the log names but this ring never held."""

    id: str
    secret: bytes | None
    created_at: str
    retired_at: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of one installation."""

    folder: Path
    current: RedactionKey
    retired: tuple[RedactionKey, ...]

    @classmethod
    def open_or_create(cls, folder: Path, *, now: datetime) -> KeyRing:
        """The ring in a folder; its keys are made when it has none, by one of several processes at
        once.

        Raises KeyUnreadable for a ring that is damaged, unreadable or open to others.
        """
        with _locked(folder):
            if not (folder / RING).exists():
                _write(folder / RING, _encode(_fresh_key(now), ()))
            if not (folder / SIGNING_KEY).exists():
                _make_signing_key(folder)
            return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> KeyRing:
        """The ring in a folder. Raises KeyUnreadable when there is none or it cannot be used."""
        current, retired = _read(folder / RING)
        _refuse_open_to_others(folder / SIGNING_KEY)
        return cls(folder, current, retired)

    def redaction_key(self) -> tuple[str, bytes]:
        """The id and secret that new tags are made with."""
        if self.current.secret is None:
            raise KeyUnreadable(f"{self.folder / RING} holds no secret for its current key")
        return self.current.id, self.current.secret

    def knows(self, key_id: str) -> bool:
        """True for the current key and every retired one."""
        return key_id in {key.id for key in (self.current, *self.retired)}

    def rotate(self, *, now: datetime, also_retire: str = "") -> KeyRing:
        """A ring with a new current key; the old one is retired.

        `also_retire` names a key that the log was written with and this ring does not hold, so that
        a watcher may go on with that log.
        """
        at = timestamp(now)
        old = RedactionKey(self.current.id, self.current.secret, self.current.created_at, at)
        foreign = (
            (RedactionKey(also_retire, None, at, at),)
            if also_retire and not self.knows(also_retire)
            else ()
        )
        fresh = _fresh_key(now)
        with _locked(self.folder):
            _write(self.folder / RING, _encode(fresh, (*self.retired, old, *foreign)))
        return KeyRing(self.folder, fresh, (*self.retired, old, *foreign))

    def describe(self) -> list[dict[str, str | None]]:
        """What `rollout-ledger keys` lists: never a secret."""
        rows: list[dict[str, str | None]] = [
            {
                "id": key.id,
                "kind": "redaction",
                "state": "current" if key is self.current else "retired",
                "created_at": key.created_at,
                "retired_at": key.retired_at,
                "path": str(self.folder / RING),
            }
            for key in (self.current, *self.retired)
        ]
        public = (self.folder / SIGNING_PUBLIC_KEY).read_text(encoding="ascii").strip()
        rows.append(
            {
                "id": hashlib.sha256(public.encode()).hexdigest()[:8],
                "kind": "signing",
                "state": "current",
                "created_at": None,
                "retired_at": None,
                "path": str(self.folder / SIGNING_PUBLIC_KEY),
            }
        )
        return rows


def check_key(ring: KeyRing, log_key_id: str) -> None:
    """The ring may go on with a log written under `log_key_id` (empty: nothing was written yet).

    Raises KeyMismatch otherwise: equal secrets would get unequal tags, and a change would be seen
    where none was.
    """
    if log_key_id and not ring.knows(log_key_id):
        raise KeyMismatch(
            f"the log was redacted under key {log_key_id}, which {ring.folder} does not hold",
            hint="put the old keys back, or accept that old and new secrets cannot be compared: "
            "`rollout-ledger keys rotate`",
        )


def _fresh_key(now: datetime) -> RedactionKey:
    secret = secrets.token_bytes(SECRET_BYTES)
    return RedactionKey(hashlib.sha256(secret).hexdigest()[:8], secret, timestamp(now))


def _encode(current: RedactionKey, retired: tuple[RedactionKey, ...]) -> bytes:
    keys = [
        {
            "id": key.id,
            "secret": None if key.secret is None else base64.b64encode(key.secret).decode(),
            "created_at": key.created_at,
            "retired_at": key.retired_at,
        }
        for key in (current, *retired)
    ]
    return json.dumps({"current": current.id, "keys": keys}, indent=2).encode()


def _read(path: Path) -> tuple[RedactionKey, tuple[RedactionKey, ...]]:
    _refuse_open_to_others(path)
    try:
        raw = json.loads(path.read_bytes())
        keys = [_key(raw_key) for raw_key in raw["keys"]]
        current = next(key for key in keys if key.id == raw["current"])
    except OSError as wrong:
        raise KeyUnreadable(
            f"{path} cannot be read: {wrong.strerror}", hint="run as the user who owns it"
        ) from wrong
    except (ValueError, KeyError, TypeError, StopIteration):
        raise KeyUnreadable(
            f"{path} is damaged",
            hint="restore it from its backup; moving it away makes new keys, "
            "under which old secrets cannot be compared",
        ) from None
    return current, tuple(key for key in keys if key is not current)


def _key(raw_key: Mapping[str, Any]) -> RedactionKey:
    raw_secret = raw_key["secret"]
    secret = None if raw_secret is None else base64.b64decode(raw_secret, validate=True)
    if secret is not None and hashlib.sha256(secret).hexdigest()[:8] != raw_key["id"]:
        raise ValueError("a key's id is not its secret's")
    return RedactionKey(raw_key["id"], secret, raw_key["created_at"], raw_key["retired_at"])


def _refuse_open_to_others(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise KeyUnreadable(
            f"there is no key at {path}",
            hint="`rollout-ledger watch` or `serve` makes it on first start",
        ) from None
    except OSError as wrong:
        raise KeyUnreadable(f"{path} cannot be read: {wrong.strerror}") from wrong
    if stat.S_IMODE(mode) & 0o077:
        raise KeyUnreadable(f"{path} can be read by others", hint=f"chmod 600 {path}")


def _make_signing_key(folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes_raw()
    _write(folder / SIGNING_PUBLIC_KEY, base64.b64encode(public) + b"\n")
    _write(folder / SIGNING_KEY, private)


def _write(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / ".lock").open("wb")
    except OSError as wrong:
        raise KeyUnreadable(
            f"{folder} cannot be written to: {wrong.strerror}",
            hint="run as the user who owns the data folder, or choose another with --data",
        ) from wrong
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
