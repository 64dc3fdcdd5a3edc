"""A sealed original as a record holds it: closed, and for whom.

Making and opening one is sealing.py's matter; here nothing is decrypted.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ledger.envelope import parse
from ledger.errors import PoisonRecord


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
        return f"{self.template}/{self.key}"


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
