"""Original templates under age: sealed by whoever records, opened by whoever holds the identity.

What is sealed is the pod template in normal form, unredacted, as canonical JSON; blanks at its end
hide how long the secrets in it are. The recipient is public, so anybody can seal anything: whoever
opens compares it with what was recorded (originals.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyrage
from pyrage import x25519

from ledger.canonical import from_bytes, to_bytes
from ledger.errors import (
    ConfigurationInvalid,
    IdentityUnusable,
    SealingFailed,
    TamperedOriginal,
)
from ledger.model import timestamp
from ledger.sealed import Sealed

BLOCK_BYTES = 512
"""A plaintext is filled up to a multiple of this."""

IDENTITY = "AGE-SECRET-KEY-1"
"""How every X25519 identity begins."""

SECRET_KEY = b"AGE-SECRET-KEY-"
"""How identities of any kind begin."""

RECIPIENT = "age1"

LONGEST_FILE_BYTES = 64 * 1024
"""A file of recipients or identities is a few lines; a larger one is something else."""


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals originals to a set of recipients."""

    recipients: tuple[str, ...]

    @property
    def key_id(self) -> str:
        """Names the set of recipients, in whatever order they were given: 16 hex digits."""
        return hashlib.sha256("\n".join(self.recipients).encode()).hexdigest()[:16]

    def seal(self, original: Mapping[str, Any], template_digest: str) -> Sealed:
        """The original of the recorded template with this digest, for its recipients only.

        Raises SealingFailed, which quotes nothing of the original.
        """
        try:
            plain = to_bytes(original)
            plain += b" " * (-len(plain) % BLOCK_BYTES)
            to = [x25519.Recipient.from_str(recipient) for recipient in self.recipients]
            sealed = base64.b64encode(pyrage.encrypt(plain, to)).decode()
        except Exception as wrong:  # noqa: BLE001 - fails closed, whatever went wrong
            failure = type(wrong).__name__
        else:
            return Sealed(template_digest, self.key_id, self.recipients, sealed)
        # Raised out here, the error does not carry the other one, whose words may hold a value.
        raise SealingFailed(f"the original could not be sealed ({failure})") from None


@dataclass(frozen=True, slots=True)
class Identities:
    """What opens originals: the age identities of one file."""

    path: Path
    keys: tuple[Any, ...]

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom to seal to, for these to open it."""
        return tuple(str(key.to_public()) for key in self.keys)


def sealer_for(recipients: Sequence[str]) -> Sealer:
    """A sealer to recipients: each an `age1…`, or a file with one a line.

    Raises ConfigurationInvalid for anything else, and names what it is not.
    """
    found = {recipient for each in recipients for recipient in _recipients_of(each)}
    return Sealer(tuple(sorted(found)))


def make_identity(path: Path, *, apart_from: Sequence[Path], now: datetime) -> str:
    """Write a new identity to a file of its own, for its owner alone; whom to seal to.

    Raises IdentityUnusable, and writes nothing, when the file exists, cannot be made, or would lie
    below one of the folders that hold what it opens.
    """
    where = path.absolute().resolve()
    for folder in apart_from:
        if where.is_relative_to(folder.absolute().resolve()):
            raise IdentityUnusable(
                f"{path} is below {folder}, beside what it opens",
                hint="keep it on the machine of whoever runs undo, or in a password store",
            )
    key = x25519.Identity.generate()
    recipient = str(key.to_public())
    told = f"# created: {timestamp(now)}\n# public key: {recipient}\n{key}\n"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(told.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as wrong:
        raise IdentityUnusable(
            f"{path} cannot be written: {wrong.strerror}", hint="name a new file"
        ) from None
    return recipient


def holds_identity(path: Path) -> bool:
    """True for a file in which an age identity stands; False for one that is larger than any file
    of identities, or that may not be read.
    """
    try:
        if not path.is_file() or path.stat().st_size > LONGEST_FILE_BYTES:
            return False
        return SECRET_KEY in path.read_bytes().upper()
    except OSError:
        return False


def open_identities(path: Path) -> Identities:
    """The identities of a file. Raises IdentityUnusable when it cannot be read, is open to others,
    or holds none that can be used.
    """
    text = _identity_text(path)
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line.startswith(IDENTITY)]
    if not found:
        raise _no_identity(path, text)
    try:
        return Identities(path, tuple(x25519.Identity.from_str(line) for line in found))
    except pyrage.IdentityError:
        raise IdentityUnusable(
            f"{path} holds a damaged age identity", hint="take it from its backup"
        ) from None


def unseal(sealed: Sealed, identities: Identities) -> dict[str, Any]:
    """The original in a record. Raises IdentityUnusable when none of the identities opens it,
    TamperedOriginal when what it holds is no template.
    """
    try:
        plain = pyrage.decrypt(base64.b64decode(sealed.sealed, validate=True), identities.keys)
        template = from_bytes(plain)
    except binascii.Error:
        template = None
    except pyrage.DecryptError as wrong:
        raise _unopened(sealed, identities, str(wrong)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        template = None
    if not isinstance(template, dict):
        raise TamperedOriginal("the sealed original is not a pod template")
    return template


def _recipients_of(told: str) -> list[str]:
    told = told.strip()
    if told.startswith(IDENTITY):
        raise ConfigurationInvalid(
            "--seal-to was given an age identity, which opens what is sealed",
            hint="give the recipient, age1…; whoever saw this identity can open the originals",
        )
    if told.lower().startswith(RECIPIENT) and not Path(told).exists():
        return [_recipient(told, told)]
    lines = [line.strip() for line in _recipients_text(Path(told)).splitlines()]
    found = [_recipient(line, told) for line in lines if line and not line.startswith("#")]
    if not found:
        raise ConfigurationInvalid(f"{told} holds no age recipient", hint="one age1… a line")
    return found


def _recipient(text: str, told: str) -> str:
    try:
        return str(x25519.Recipient.from_str(text))
    except pyrage.RecipientError as wrong:
        where = "" if text == told else f" in {told}"
        shown = "a line" if IDENTITY in text.upper() else text[:80]
        raise ConfigurationInvalid(
            f"{shown}{where} is no age recipient: {wrong}",
            hint="an X25519 recipient is wanted, age1…; `rollout-ledger keys identity` makes one",
        ) from None


def _recipients_text(path: Path) -> str:
    try:
        content = path.read_bytes()[: LONGEST_FILE_BYTES + 1]
        if len(content) > LONGEST_FILE_BYTES:
            raise ValueError("too large")
        return content.decode()
    except (OSError, ValueError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "it is not a list of recipients"
        raise ConfigurationInvalid(
            f"{path} cannot be read: {why}", hint="give an age recipient, age1…, or a file of them"
        ) from None


def _identity_text(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        content = path.read_bytes()[: LONGEST_FILE_BYTES + 1]
    except OSError as wrong:
        raise IdentityUnusable(
            f"{path} cannot be read: {wrong.strerror}", hint="name a file that you may read"
        ) from None
    if stat.S_ISREG(mode) and stat.S_IMODE(mode) & 0o077:
        raise IdentityUnusable(f"{path} can be read by others", hint=f"chmod 600 {path}")
    if len(content) > LONGEST_FILE_BYTES:
        raise _no_identity(path, "")
    return content.decode(errors="replace")


def _no_identity(path: Path, text: str) -> IdentityUnusable:
    if text.startswith(("age-encryption.org/", "-----BEGIN AGE")):
        return IdentityUnusable(
            f"{path} is itself encrypted",
            hint=f"decrypt it into a pipe: --identity <(age --decrypt {path})",
        )
    return IdentityUnusable(
        f"{path} holds no age identity", hint=f"it has a line that begins with {IDENTITY}"
    )


def _unopened(sealed: Sealed, identities: Identities, why: str) -> Exception:
    if not set(identities.recipients).isdisjoint(sealed.recipients):
        return TamperedOriginal(f"the sealed original is damaged: {why}")
    return IdentityUnusable(
        f"{identities.path} does not open it: it is sealed to {', '.join(sealed.recipients)}",
        hint="use the identity of one of these recipients",
    )
