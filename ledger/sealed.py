"""A sealed original as a record holds it: closed, and for whom.

Making and opening one is sealing.py's matter; here nothing is decrypted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from ledger.envelope import parse
from ledger.errors import PoisonRecord
from ledger.model import ObjectRef


class Sealed(msgspec.Struct, frozen=True):
    """The `data` of a `sealed.v1` record."""

    template: str
    """Digest of the recorded template, whose original this is."""

    key: str
    """Id of the set of recipients."""

    recipients: tuple[str, ...]
    """Whose identities open it: public."""

    sealed: str
    """An age file, in base64."""

    @property
    def id(self) -> str:
        """The record's id."""
        return sealed_id(self.template, self.key)


def sealed_id(template_digest: str, key_id: str) -> str:
    """The id of the record of a template's original that is sealed to these recipients."""
    return f"{template_digest}/{key_id}"


class Originals(Protocol):
    """Whoever keeps the originals of pod templates that redaction changes."""

    @property
    def standing(self) -> Mapping[str, Any]:
        """For whom they are sealed, and how often that failed: coverage records tell it."""

    def original(
        self, raw: Mapping[str, Any], redacted: Mapping[str, Any], ref: ObjectRef
    ) -> Sealed | None:
        """The original of an object's pod template, sealed; None when nothing of it was hidden, or
        it is kept already. Never raises: what cannot be sealed is told, and the state stands.
        """


def read_sealed(value: bytes) -> Sealed:
    """What the record of these bytes holds. Raises PoisonRecord for any other record."""
    document = parse(value)
    if document.fact != "sealed":
        raise PoisonRecord(f"a record of type {document.type}, not a sealed original")
    return sealed_in(document.data)


def sealed_in(raw_data: Any) -> Sealed:
    """What the data of a `sealed.v1` document holds. Raises PoisonRecord when it is none."""
    try:
        return msgspec.convert(raw_data, Sealed)
    except msgspec.ValidationError as wrong:
        raise PoisonRecord(f"not a sealed original: {wrong}") from None
