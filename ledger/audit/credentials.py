"""As whom the webhook answers, and whom it lets in; read again when the files change.

A certificate is renewed every few weeks and a token now and then, by a program that knows nothing
of us: what is on disk counts from the next connection or request on.
"""

from __future__ import annotations

import hmac
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ledger.errors import ConfigurationInvalid

SHORTEST_TOKEN = 16

_log = structlog.get_logger("ledger.audit")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where to listen, as whom, and whom to let in."""

    address: str
    certificate: Path
    key: Path
    token_file: Path | None = None
    client_ca: Path | None = None


@dataclass(slots=True)
class Credentials:
    """The TLS side of a receiver, and the token that opens it; empty when only certificates do."""

    settings: WebhookSettings
    _tls: ssl.SSLContext
    _token: str
    _read_from: dict[Path, int] = field(default_factory=dict)

    @classmethod
    def read(cls, settings: WebhookSettings) -> Credentials:
        """Raises ConfigurationInvalid for files that cannot be used, and where it would let anybody
        in.
        """
        if settings.token_file is None and settings.client_ca is None:
            raise ConfigurationInvalid(
                "the audit webhook would take events from anybody",
                hint="give --audit-webhook-token-file or --audit-webhook-client-ca",
            )
        found = cls(settings, _tls(settings), _token(settings))
        found._changed(settings.certificate)
        found._changed(settings.token_file)
        return found

    def tls(self) -> ssl.SSLContext:
        """What the next connection is to be secured with."""
        if self._changed(self.settings.certificate):
            try:
                # In a context of its own first: half a pair must not take the place of a whole one.
                self._tls = _tls(self.settings)
            except ConfigurationInvalid as wrong:
                self._stay(wrong)
        return self._tls

    def opens(self, given: str) -> bool:
        """Whether this is the token, in a time that does not depend on how much of it is right."""
        if self._changed(self.settings.token_file):
            try:
                self._token = _token(self.settings)
            except ConfigurationInvalid as wrong:
                self._stay(wrong)
        token = self._token.encode()
        return bool(token) and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token)

    def _stay(self, wrong: ConfigurationInvalid) -> None:
        _log.warning(wrong.message, hint="what was read before goes on to be used")

    def _changed(self, path: Path | None) -> bool:
        try:
            written = path.stat().st_mtime_ns if path else 0
        except OSError:
            # In the middle of being replaced: the next one looks again.
            return False
        if path is None or self._read_from.get(path) == written:
            return False
        self._read_from[path] = written
        return True


def _tls(settings: WebhookSettings) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        tls.load_cert_chain(settings.certificate, settings.key, password=_no_password)
        if settings.client_ca is not None:
            tls.load_verify_locations(settings.client_ca)
            tls.verify_mode = ssl.CERT_OPTIONAL if settings.token_file else ssl.CERT_REQUIRED
    except (OSError, ValueError) as wrong:
        raise ConfigurationInvalid(
            f"the audit webhook's certificates cannot be used: {wrong}",
            hint="--audit-webhook-cert and -key are a pair of PEM files, without a password",
        ) from wrong
    return tls


def _no_password() -> str:
    # Without this OpenSSL would ask the terminal for it.
    raise ValueError("the key is encrypted")


def _token(settings: WebhookSettings) -> str:
    if settings.token_file is None:
        return ""
    try:
        token = settings.token_file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "it is not text"
        raise ConfigurationInvalid(
            f"the audit webhook's token in {settings.token_file} cannot be read: {why}"
        ) from wrong
    if len(token) < SHORTEST_TOKEN:
        raise ConfigurationInvalid(
            f"the audit webhook's token in {settings.token_file} is too short",
            hint=f"use {SHORTEST_TOKEN} characters or more, such as `openssl rand -hex 32` gives",
        )
    return token
