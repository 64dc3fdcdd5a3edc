"""The guard turns strangers away and tells browsers what a page may do."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.guard import guarded, is_loopback


async def asked(
    path: str = "/", *, host: str | None = "localhost", status: int = 200, **scope: Any
) -> tuple[int, dict[bytes, bytes], bytes]:
    """What comes back through the guard from an application that answers `status` to all."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = [(b"Cache-Control", b"max-age=5"), (b"referrer-policy", b"unsafe-url")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"within"})

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [] if host is None else [(b"host", host.encode())]
    asking = {"type": "http", "path": path, "raw_path": path.encode(), "headers": headers}
    guard = guarded(app, script_sources=["'sha256-x'"], cache_seconds=5)
    await guard(asking | scope, None, send)
    named = [(name.lower(), value) for name, value in sent[0]["headers"]]
    assert len(named) == len(dict(named)), "a header twice"
    return sent[0]["status"], dict(named), sent[1]["body"]


OURS = (
    "localhost",
    "localhost:8001",
    "LOCALHOST",
    "rollouts.localhost:8001",
    "127.0.0.1:8001",
    "127.8.8.8",
    "[::1]:8001",
    "[::1]",
    None,
)
STRANGERS = (
    "evil.example",
    "evil.example:8001",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "xlocalhost",
    "localhost:8001:evil.example",
    "192.168.1.4",
    "0.0.0.0",
    "[::]",
    "",
)


@pytest.mark.parametrize("host", OURS)
async def test_this_machine_is_answered(host: str | None) -> None:
    assert (await asked(host=host))[::2] == (200, b"within")


@pytest.mark.parametrize("host", STRANGERS)
async def test_a_name_that_strangers_may_own_is_turned_away(host: str) -> None:
    status, headers, body = await asked(host=host)
    assert status == 421
    assert b"localhost only" in body
    assert headers[b"x-frame-options"] == b"DENY"


@pytest.mark.parametrize("path", ["/\\example.com", "/%5Cexample.com", "/ledger%5c"])
async def test_datasette_2680_a_backslash_is_no_page(path: str) -> None:
    assert (await asked(path))[0] == 404


async def test_a_page_is_kept_by_its_browser_alone_and_not_for_long() -> None:
    _, headers, _ = await asked("/ledger")
    assert headers[b"cache-control"] == b"private, max-age=5"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert b"script-src 'self' 'sha256-x';" in headers[b"content-security-policy"]


async def test_an_error_is_not_kept_and_a_style_sheet_is() -> None:
    assert (await asked("/x", status=404))[1][b"cache-control"] == b"no-store"
    assert (await asked("/-/static/app.css"))[1][b"cache-control"] == b"max-age=5"


async def test_what_is_no_request_passes() -> None:
    passed: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    await guarded(app, script_sources=(), cache_seconds=5)({"type": "lifespan"}, None, None)
    assert passed == ["lifespan"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "[::1]"])
def test_loopback_is_what_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_what_others_reach_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)
