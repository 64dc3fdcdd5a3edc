"""What an API server answers becomes one sentence, in kubectl's words."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

import pytest

from ledger.answers import Expired, Throttled, refusal, unreachable
from ledger.errors import Forbidden, LedgerError, Refused, Unauthorized

REFUSED = "The connection to the server api:6443 was refused"


def status(code: int, reason: str, message: str, **more: Any) -> bytes:
    """A Status as the API server sends it."""
    raw = {"kind": "Status", "code": code, "reason": reason, "message": message, **more}
    return json.dumps(raw).encode()


@pytest.mark.parametrize(
    ("code", "raw", "kind", "message"),
    [
        (
            401,
            b"Unauthorized",
            Unauthorized,
            "You must be logged in to the server (Unauthorized)",
        ),
        (
            403,
            status(403, "Forbidden", 'pods is forbidden: User "nobody" cannot list'),
            Forbidden,
            'Error from server (Forbidden): pods is forbidden: User "nobody" cannot list',
        ),
        (
            500,
            status(500, "InternalError", "etcdserver:\n  request timed out"),
            Refused,
            "Error from server (InternalError): etcdserver: request timed out",
        ),
        (
            502,
            b"<html><body>secret session id</body></html>",
            Refused,
            "Error from server: it answered 502 Bad Gateway",
        ),
        (599, b"", Refused, "Error from server: it answered 599"),
        (0, b'"?"', Refused, "Error from server: it answered an error"),
    ],
)
def test_a_refusal_is_told_in_one_line(
    code: int, raw: bytes, kind: type[LedgerError], message: str
) -> None:
    wrong = refusal(raw, code=code)
    assert (type(wrong), str(wrong)) == (kind, message)


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        (410, b""),
        (0, status(410, "Expired", "too old resource version: 400 (644)")),
        (0, status(0, "Expired", "too old")),
        (0, status(0, "Gone", "gone")),
    ],
)
def test_gone_is_an_expected_ending_and_no_error(code: int, raw: bytes) -> None:
    wrong = refusal(raw, code=code)
    assert isinstance(wrong, Expired)
    assert not isinstance(wrong, LedgerError)
    assert wrong.cause == "expired-410"


@pytest.mark.parametrize(
    ("retry_after", "raw", "seconds"),
    [
        ("7", b"slow down", 7.0),
        ("", status(429, "TooManyRequests", "slow", details={"retryAfterSeconds": 3}), 3.0),
        ("86400", b"", 600.0),
    ],
)
def test_a_server_that_is_busy_says_for_how_long(
    retry_after: str, raw: bytes, seconds: float
) -> None:
    wrong = refusal(raw, code=429, retry_after=retry_after)
    assert isinstance(wrong, Throttled)
    assert wrong.after_seconds == seconds


@pytest.mark.parametrize("retry_after", ["", "0", "Wed, 21 Oct 2015 07:28:00 GMT", "-1", "²"])
def test_a_wait_that_is_not_a_number_of_seconds_is_our_own(retry_after: str) -> None:
    assert type(refusal(b"", code=429, retry_after=retry_after)) is Refused


def test_long_messages_are_cut() -> None:
    assert len(str(refusal(status(500, "InternalError", "x" * 10_000), code=500))) < 400


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            ConnectionRefusedError(111, "Connect call failed"),
            f"{REFUSED} - did you specify the right host or port?",
        ),
        (
            socket.gaierror(-2, "Name or service not known"),
            "Unable to connect to the server: api:6443: Name or service not known",
        ),
        (TimeoutError(), "Unable to connect to the server: api:6443 does not answer in time"),
        (
            ssl.SSLCertVerificationError(1, "certificate verify failed"),
            "Unable to connect to the server: api:6443: certificate verify failed",
        ),
        (ConnectionResetError(), "Unable to connect to the server: api:6443: ConnectionResetError"),
    ],
)
def test_a_server_that_cannot_be_asked_is_told_in_one_line(wrong: Exception, message: str) -> None:
    assert str(unreachable("https://api:6443", wrong)) == message
