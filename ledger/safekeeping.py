"""Which originals are still to be sealed: each pod template once for each set of recipients.

Equal digests of two redacted templates under one redaction key mean equal originals, secrets and
all, since equal tags mean equal values; so the digest names the original. Another redaction key,
policy or set of recipients makes another record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ledger.canonical import digest, normal_template
from ledger.envelope import LIMIT_BYTES
from ledger.errors import SealingFailed
from ledger.model import ObjectRef
from ledger.sealed import Sealed

KNOWN = 100_000
"""So many originals are remembered; of more, some are sealed twice, and the fold counts them once.
"""

HEADROOM_BYTES = 16 * 1024
"""Room for the recipients and the attributes within the record limit."""


class Seals(Protocol):
    """Encrypts originals: `sealing.Sealer`."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whose identities open what is sealed."""

    @property
    def key_id(self) -> str:
        """Names the set of recipients."""

    def seal(self, original: Mapping[str, Any], template_digest: str) -> Sealed:
        """Raises SealingFailed."""


class Alarm(Protocol):
    """Whoever wants to know that an original was not kept."""

    def __call__(self, ref: ObjectRef, reason: str) -> None:
        """Say so; nothing of the content is given."""


@dataclass(slots=True, eq=False)
class Safekeeping:
    """Seals what is new; `failed` counts what could not be."""

    sealer: Seals
    alarm: Alarm
    failed: int = 0
    _kept: dict[str, None] = field(default_factory=dict)

    @property
    def standing(self) -> dict[str, Any]:
        """For whom originals are sealed, and how often that failed."""
        recipients = len(self.sealer.recipients)
        return {"key": self.sealer.key_id, "recipients": recipients, "failed": self.failed}

    def know(self, record_ids: Iterable[str]) -> None:
        """These records are in the log: what they hold need not be sealed again."""
        for record_id in record_ids:
            template_digest, _, key_id = record_id.partition("/")
            if key_id == self.sealer.key_id:
                self._keep(template_digest)

    def original(
        self, raw: Mapping[str, Any], redacted: Mapping[str, Any], ref: ObjectRef
    ) -> Sealed | None:
        """As sealed.Originals.original."""
        try:
            hidden, shown = _template_of(raw), _template_of(redacted)
            if hidden is None or shown is None or hidden is shown:
                return None
            template_digest = digest(normal_template(shown))
            if template_digest in self._kept:
                return None
            sealed = self._sealed(normal_template(hidden), template_digest)
        except SealingFailed as wrong:
            self.failed += 1
            self.alarm(ref, wrong.message)
            return None
        self._keep(template_digest)
        return sealed

    def _sealed(self, original: Mapping[str, Any], template_digest: str) -> Sealed:
        sealed = self.sealer.seal(original, template_digest)
        if len(sealed.sealed) > LIMIT_BYTES - HEADROOM_BYTES:
            raise SealingFailed("the sealed original is too large for a record")
        return sealed

    def _keep(self, template_digest: str) -> None:
        self._kept[template_digest] = None
        if len(self._kept) > KNOWN:
            del self._kept[next(iter(self._kept))]


def _template_of(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The pod template of a StatefulSet or ControllerRevision; redaction shares what it leaves as
    it was.
    """
    holder = raw.get("data") if raw.get("kind") == "ControllerRevision" else raw
    spec = holder.get("spec") if isinstance(holder, Mapping) else None
    template = spec.get("template") if isinstance(spec, Mapping) else None
    return template if isinstance(template, Mapping) else None
