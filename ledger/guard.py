"""What every answer of the served ledger is kept in: who may ask, what a browser may do with it.

Pure ASGI, so it knows nothing of Datasette. Nobody is asked for a password on loopback, which
leaves one way in for strangers: a page of theirs whose name resolves to 127.0.0.1. Its requests
carry that name as Host, so a Host that is not loopback is turned away.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

STATIC_PATHS = ("/-/static/", "/-/static-plugins/", "/-/rollout-ledger/")
_FIXED = {
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


def guarded(app: Asgi, *, script_sources: Sequence[str], cache_seconds: int) -> Asgi:
    """`app` behind the guard.

    Answers nothing to a Host that is not loopback (421) or to a path with a backslash (404), which
    Datasette 0.65 would redirect to another host. `script_sources` are CSP sources besides 'self'.
    Live pages may be kept by the browser alone, for `cache_seconds`.
    """
    fixed = {**_FIXED, b"content-security-policy": _policy(script_sources).encode()}

    async def guard(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        cached = b"private, max-age=%d" % cache_seconds
        if refusal := _refusal(scope):
            return await _refuse(send, *refusal, fixed)
        return await app(scope, receive, _sending(send, scope["path"], fixed, cached))

    return guard


def is_loopback(host: str) -> bool:
    """True for the names and addresses that only this machine can reach."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _policy(script_sources: Sequence[str]) -> str:
    scripts = " ".join(["'self'", *script_sources])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


def _refusal(scope: Scope) -> tuple[int, str] | None:
    raw_path = scope.get("raw_path") or scope["path"].encode()
    if b"\\" in raw_path or b"%5c" in raw_path.lower():
        return 404, "no such page\n"
    host = next((v.decode("latin-1") for k, v in scope["headers"] if k == b"host"), "localhost")
    if not is_loopback(_without_port(host)):
        return 421, (
            "This ledger answers to localhost only. A proxy in front of it has to ask for the page "
            "with that name as Host.\n"
        )
    return None


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _sending(send: Any, path: str, fixed: dict[bytes, bytes], cached: bytes) -> Any:
    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = dict(fixed)
            if message["status"] >= 400:
                own[b"cache-control"] = b"no-store"
            elif not path.startswith(STATIC_PATHS):
                own[b"cache-control"] = cached
            message = {**message, "headers": _replaced(message["headers"], own)}
        await send(message)

    return sending


def _replaced(headers: Headers, own: dict[bytes, bytes]) -> Headers:
    return [(k, v) for k, v in headers if k.lower() not in own] + list(own.items())


async def _refuse(send: Any, status: int, reason: str, fixed: dict[bytes, bytes]) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *fixed.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
