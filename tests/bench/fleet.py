"""A fleet made of the tutorial's real stream, many times over, and a server that streams it.

Every copy has uids, a namespace and resourceVersions of its own, so the ledger takes each for a
workload of its own; sizes and kinds are those of the real recording.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ledger.replay import read_recording

RECORDING = Path(__file__).parent.parent / "streams" / "tutorial.jsonl.zst"
CLUSTER = "11111111-2222-4333-8444-555555555555"
KINDS = (
    "statefulsets",
    "controllerrevisions",
    "pods",
    "persistentvolumeclaims",
    "persistentvolumes",
)
VERSIONS_PER_COPY = 100_000
_UID = re.compile(r"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_VERSION = re.compile(r'"resourceVersion":"(\d+)"')


def watch_lines(count: int) -> dict[str, list[bytes]]:
    """About `count` watch lines by kind, in order within each."""
    recorded = [
        (line.stream, line.raw)
        for line in read_recording(RECORDING)[1]
        if line.op == "watch" and line.stream in KINDS and '"BOOKMARK"' not in line.raw[:30]
    ]
    lines: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    for copy in range(-(-count // len(recorded))):
        for kind, raw in recorded:
            lines[kind].append(_copied(raw, copy).encode())
    return lines


def _copied(raw: str, copy: int) -> str:
    raw = _UID.sub(lambda found: f"{int(found[0], 16) ^ (copy * 2654435761 % 2**32):08x}", raw)
    raw = raw.replace('"namespace":"default"', f'"namespace":"team-{copy}"')
    return _VERSION.sub(
        lambda found: f'"resourceVersion":"{int(found[1]) + copy * VERSIONS_PER_COPY + 10}"', raw
    )


async def serve(count: int) -> None:
    """Answer lists with nothing and watches with the fleet's lines; prints the port when ready."""
    lines = {kind: b"".join(_chunks(rows)) for kind, rows in watch_lines(count).items()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.readline():
            while (await reader.readline()).strip():
                pass
            await _answer(request.split()[1].decode(), lines, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _answer(target: str, lines: dict[str, bytes], writer: asyncio.StreamWriter) -> None:
    url = urlsplit(target)
    kind, asked = url.path.rpartition("/")[2], parse_qs(url.query)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    if "watch" in asked:
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        writer.write(lines.get(kind, b""))
        await writer.drain()
        return
    body = json.dumps(_listed(kind)).encode()
    writer.write(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


def _listed(kind: str) -> dict[str, object]:
    if kind == "kube-system":
        return {"kind": "Namespace", "metadata": {"name": kind, "uid": CLUSTER}}
    return {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []}


def _chunks(rows: list[bytes]) -> Iterator[bytes]:
    """One HTTP chunk per line, as the API server sends them."""
    for row in rows:
        line = row + b"\n"
        yield f"{len(line):x}\r\n".encode() + line + b"\r\n"


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
