"""What an API server says when it does not say yes: each status translated once, in kubectl's
words.

Serves HTTP answers and the ERROR lines of a watch alike, since both carry the same Status object,
and tells what stood in the way when the server could not be asked at all.
"""

from __future__ import annotations

import ssl
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

from ledger.errors import ClusterUnreachable, Forbidden, Refused, Unauthorized

MESSAGE_CHARACTERS = 300
LONGEST_WAIT_SECONDS = 600.0
"""A Retry-After above this is taken for a mistake of something in between."""


class Expired(Exception):
    """The API server no longer has what was asked for (410 Gone): an expected ending, not an error.

    `cause` is what a gap says when a watch ended so.
    """

    def __init__(self, message: str = "", *, cause: str = "expired-410") -> None:
        super().__init__(message)
        self.cause = cause


class TooLarge(Exception):
    """A page of a list is larger than is held in memory: an expected ending, not an error.

    Ask again for fewer items; the continue token is still good.
    """


class Throttled(ClusterUnreachable):
    """The API server asks to come back later."""

    def __init__(self, message: str, *, after_seconds: float) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class _Details(msgspec.Struct):
    retryAfterSeconds: float = 0  # noqa: N815


class Status(msgspec.Struct):
    """As much of a `kind: Status` as is told."""

    kind: str = ""
    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None


_decoder = msgspec.json.Decoder(Status)
_object_decoder = msgspec.json.Decoder(dict[str, Any])


def refusal(raw_status: bytes, *, code: int = 0, retry_after: str = "") -> Exception:
    """The exception for an answer other than success: Expired, or a ClusterUnreachable.

    `code` is the HTTP status, 0 for a Status within a watch. Text that is not a Status is never
    repeated: a login page can hold anything.
    """
    status = _status(raw_status)
    code = code or status.code
    message = " ".join(status.message.split())[:MESSAGE_CHARACTERS]
    if code == HTTPStatus.GONE or status.reason in ("Expired", "Gone"):
        return Expired(message)
    if code == HTTPStatus.UNAUTHORIZED:
        return Unauthorized(
            "You must be logged in to the server (Unauthorized)",
            hint="the token or certificate is wrong or has expired: log in again",
        )
    said = f"Error from server ({status.reason}): {message}" if status.reason else ""
    if message and not said:
        # A webhook's refusal need not have a reason.
        said = f"Error from server: {message}"
    if code == HTTPStatus.FORBIDDEN:
        return Forbidden(
            said or "Error from server (Forbidden)",
            hint="the watcher needs get, list and watch: see compose/kubernetes/rbac.yaml",
        )
    said = said or f"Error from server: it answered {code or 'an error'}{_phrase(code)}"
    seconds = _seconds(retry_after) or (status.details or _Details()).retryAfterSeconds
    if seconds > 0:
        return Throttled(said, after_seconds=min(seconds, LONGEST_WAIT_SECONDS))
    return Refused(said, code=code, reason=status.reason)


def too_large(items: int) -> Exception:
    """The exception for an answer that outgrew memory: TooLarge, or a ClusterUnreachable where
    fewer than `items` cannot be asked for.
    """
    if items > 1:
        return TooLarge(f"a page of {items} items is too large")
    return not_its_own("is larger than any object of Kubernetes")


def not_its_own(what: str) -> ClusterUnreachable:
    """What a user reads of an answer that no API server gives."""
    return ClusterUnreachable(
        f"Error from server: its answer {what}",
        hint="something in between answers for it: check the kubeconfig's server and any proxy",
    )


def unreachable(server: str, wrong: BaseException) -> ClusterUnreachable:
    """What a user reads when the network failed: refused, unknown, not trusted, too slow."""
    address = server.partition("://")[2] or server
    inner = getattr(wrong, "certificate_error", None) or getattr(wrong, "os_error", None) or wrong
    reason = str(getattr(inner, "verify_message", "") or getattr(inner, "strerror", "") or inner)
    reason = " ".join(reason.split())[:MESSAGE_CHARACTERS] or type(inner).__name__
    if isinstance(inner, ConnectionRefusedError):
        return ClusterUnreachable(
            f"The connection to the server {address} was refused"
            " - did you specify the right host or port?"
        )
    if isinstance(inner, TimeoutError):
        return ClusterUnreachable(
            f"Unable to connect to the server: {address} does not answer in time"
        )
    if isinstance(inner, ssl.SSLError | ssl.CertificateError):
        return ClusterUnreachable(
            f"Unable to connect to the server: {address}: {reason}",
            hint="check certificate-authority and server in the kubeconfig",
        )
    return ClusterUnreachable(
        f"Unable to connect to the server: {address}: {reason}",
        hint="check the kubeconfig's server, the network and any proxy",
    )


def skew_seconds(date: str, *, now: datetime) -> float | None:
    """How far a server's clock is ahead of ours, by its Date header, which cuts off at whole
    seconds; None when it tells no time.
    """
    try:
        return round((parsedate_to_datetime(date) - now).total_seconds() + 0.5, 1)
    except (ValueError, TypeError):
        return None


def decoded(raw: bytes) -> dict[str, Any]:
    """An answer's JSON object. Raises ClusterUnreachable when it is none."""
    try:
        return _object_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ClusterUnreachable("Error from server: its answer is not a JSON object") from None


def uid_of(raw: bytes) -> str:
    """The uid of the object that was answered. Raises ClusterUnreachable when it has none."""
    metadata = decoded(raw).get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    if not uid:
        raise ClusterUnreachable("Error from server: its answer is an object without a uid")
    return str(uid)


def _status(raw: bytes) -> Status:
    try:
        status = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Status()
    return status if status.kind == "Status" else Status()


def _seconds(retry_after: str) -> float:
    # The header may also be a date, which no API server sends.
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _phrase(code: int) -> str:
    try:
        return f" {HTTPStatus(code).phrase}"
    except ValueError:
        return ""
