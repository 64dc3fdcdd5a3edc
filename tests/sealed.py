"""Sealed originals for tests: two identities, and records sealed to the first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyrage import x25519

from ledger.canonical import digest, to_bytes
from ledger.envelope import seal
from ledger.sealing import Identities, sealer_for

IDENTITIES = Identities(Path("identity.txt"), (x25519.Identity.generate(),))
OTHERS = Identities(Path("other.txt"), (x25519.Identity.generate(),))


def record_of(original: Mapping[str, Any], redacted: Mapping[str, Any]) -> bytes:
    """A record of `original`, sealed as that of the recorded template `redacted`."""
    sealed = sealer_for(IDENTITIES.recipients).seal(original, digest(redacted))
    attributes = {
        "id": sealed.id,
        "type": "rollout-ledger.sealed.v1",
        "source": "/clusters/c0ffee",
        "subject": f"sealed/{sealed.template}",
        "time": "2026-11-23T09:00:00.000000Z",
        "epoch": 1,
        "instance": "feed0001",
        "sequence": 1,
    }
    return seal(attributes, to_bytes(sealed)).value
