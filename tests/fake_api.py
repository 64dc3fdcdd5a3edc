"""An API server for tests: lists, watches and forgets as the real one was seen to, and does wrong
on demand.

It speaks HTTP, so everything between the socket and the log is the product's own. Faults are put
in line for one verb and kind; each is used up by one request.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from ledger.model import KIND_BY_PLURAL
from tests.fake_writes import answer_one

CLUSTER = "3f0c52a1-7d4e-4b9a-9d5b-8f3b6a1c2d4e"
TOKEN = "first-token"
CANARY = "CANARY-5e1f0c97"
"""A secret in every object, where it can be known for one: it must not be recorded anywhere."""

SET_SPEC = {
    "replicas": 1,
    "serviceName": "web",
    "selector": {"matchLabels": {"app": "web"}},
    "template": {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "app", "image": "app:1"}]},
    },
}

NAMED_BY_TEMPLATES = ("configmaps", "secrets", "serviceaccounts")

Raw = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    verb: str
    plural: str
    query: Mapping[str, str]
    token: str
    user_agent: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    """Of the one object that is asked for."""


Fault = Callable[["FakeApi", Asked, web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeApi:
    """A cluster's objects, their history, and the server that tells of them."""

    cluster: str = CLUSTER
    version: int = 100
    objects: defaultdict[str, dict[str, Raw]] = field(default_factory=lambda: defaultdict(dict))
    history: defaultdict[str, list[tuple[int, bytes]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    oldest: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    asked: list[Asked] = field(default_factory=list)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    forbidden: set[str] = field(default_factory=set)
    faults: defaultdict[tuple[str, str], deque[Fault | None]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    always: dict[tuple[str, str], Fault] = field(default_factory=dict)
    port: int = 0
    date: str = ""
    """What the server says the date is, as in HTTP; empty for the truth."""

    largest_page: int = 1_000
    many: dict[str, tuple[int, Callable[[int], bytes]]] = field(default_factory=dict)
    """Objects that are made as they are asked for: how many, and each one's JSON by its number."""

    _pages: dict[str, tuple[int, list[Raw]]] = field(default_factory=dict)
    _watching: list[web.Request] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: int = 0
    _runner: web.AppRunner | None = None
    _server: asyncio.Server | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port of our own, the same one after a stop."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(self._dated)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        assert self._runner.server
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._runner.server, "127.0.0.1", self.port, ssl=tls, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection and the port."""
        if not (self._server and self._runner and self._server.is_serving()):
            return
        for listening in self._server.sockets:
            # A connection that is being accepted while asyncio closes the server is never closed.
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0.001)
        self._server.close()
        self.end_watches()
        self.cut()
        await self._runner.cleanup()

    def kubeconfig(self, folder: Path, *, user: Raw | None = None, scheme: str = "http") -> Path:
        """A kubeconfig for this server."""
        path = folder / "kubeconfig"
        cluster = {"server": f"{scheme}://127.0.0.1:{self.port}"}
        path.write_text(yaml.safe_dump(kubeconfig(cluster, user or {"token": TOKEN})))
        return path

    def put(self, plural: str, name: str, **spec: Any) -> Raw:
        """Create or change an object; every watch of its kind hears of it."""
        self.version += 1
        key = f"default/{name}"
        before = self.objects[plural].get(key)
        metadata = {
            "name": name,
            "uid": before["metadata"]["uid"] if before else f"uid-{name}-{self.version}",
            "resourceVersion": str(self.version),
            "generation": before["metadata"]["generation"] + 1 if before else 1,
            "annotations": {"password": CANARY},
        }
        if KIND_BY_PLURAL[plural].namespaced:
            metadata["namespace"] = "default"
        if plural == "pods":
            metadata["labels"] = {"statefulset.kubernetes.io/pod-name": name}
        if plural == "statefulsets":
            spec = SET_SPEC | spec
        made = {"metadata": metadata, "spec": spec}
        self.objects[plural][key] = made
        self._tell(plural, "MODIFIED" if before else "ADDED", made)
        return made

    def report(self, plural: str, name: str, **status: Any) -> Raw:
        """Change an object's status, which is no new generation of it."""
        self.version += 1
        before = self.objects[plural][f"default/{name}"]
        metadata = before["metadata"] | {"resourceVersion": str(self.version)}
        made = before | {"metadata": metadata, "status": status}
        self.objects[plural][f"default/{name}"] = made
        self._tell(plural, "MODIFIED", made)
        return made

    def delete(self, plural: str, name: str) -> Raw:
        """Delete an object; the last state carries the version of its deletion."""
        self.version += 1
        gone = self.objects[plural].pop(f"default/{name}")
        gone = gone | {"metadata": gone["metadata"] | {"resourceVersion": str(self.version)}}
        self._tell(plural, "DELETED", gone)
        return gone

    def bookmark(self, plural: str) -> None:
        """Tell watches how far they are."""
        kind = KIND_BY_PLURAL[plural]
        self._tell(
            plural, "BOOKMARK", {"kind": kind.name, "metadata": {"resourceVersion": self.version}}
        )

    def say(self, plural: str, raw_line: bytes) -> None:
        """Tell watches anything; it stays in history as anything else does."""
        self.version += 1
        self.history[plural].append((self.version, raw_line + b"\n"))
        self._wake()

    def forget(self, *plurals: str) -> None:
        """Lose the history so far: watches from before now are answered 410."""
        self.version += 1
        for plural in plurals:
            self.history[plural].clear()
            self.oldest[plural] = self.version

    def cut(self) -> None:
        """Break every watch off, as a crash would."""
        for request in self._watching:
            if request.transport:
                request.transport.abort()

    def end_watches(self) -> None:
        """End every watch in order."""
        self._ends += 1
        self._wake()

    def versions(self, plural: str) -> set[str]:
        """The resourceVersion of every object there is."""
        return {raw["metadata"]["resourceVersion"] for raw in self.objects[plural].values()}

    def requests(self, verb: str, plural: str) -> list[Asked]:
        """What was asked so far, of one kind."""
        return [asked for asked in self.asked if (asked.verb, asked.plural) == (verb, plural)]

    def line(self, change: str, plural: str, raw: Raw) -> bytes:
        """A watch line, with the kind and apiVersion that list items lack."""
        kind = KIND_BY_PLURAL[plural]
        raw = {"kind": kind.name, "apiVersion": kind.api_version, **raw}
        return json.dumps({"type": change, "object": raw}, separators=(",", ":")).encode() + b"\n"

    def _tell(self, plural: str, change: str, raw: Raw) -> None:
        metadata = raw["metadata"] | {"resourceVersion": str(raw["metadata"]["resourceVersion"])}
        line = self.line(change, plural, raw | {"metadata": metadata})
        self.history[plural].append((self.version, line))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        *_, above, plural = request.path.split("/")
        verb, name = "watch" if request.query.get("watch") else "list", ""
        if above in (*KIND_BY_PLURAL, *NAMED_BY_TEMPLATES):
            verb, plural, name = request.method.lower(), above, plural
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        agent = request.headers.get("User-Agent", "")
        asked = Asked(verb, plural, dict(request.query), token, agent, dict(request.headers), name)
        self.asked.append(asked)
        if token not in self.tokens:
            return web.Response(status=401, text="Unauthorized")
        waiting = self.faults[verb, plural]
        fault = waiting.popleft() if waiting else self.always.get((verb, plural))
        if fault:
            return await fault(self, asked, request)
        if plural in self.forbidden:
            return status(403, "Forbidden", f"{plural} is forbidden: no such right")
        if plural == "kube-system":
            return web.json_response({"metadata": {"name": plural, "uid": self.cluster}})
        if plural == "selfsubjectaccessreviews":
            return await self._review(request)
        if name:
            return await answer_one(self, asked, request)
        if verb == "watch":
            return await self._watch(asked, request)
        if asked.plural in self.many:
            return await self._list_many(asked, request)
        return self._list(asked)

    async def _dated(self, _request: web.Request, response: web.StreamResponse) -> None:
        if self.date:
            response.headers["Date"] = self.date

    async def _review(self, request: web.Request) -> web.Response:
        attributes = (await request.json())["spec"]["resourceAttributes"]
        allowed = attributes["resource"] not in self.forbidden and attributes["verb"] != "delete"
        return web.json_response({"status": {"allowed": allowed}}, status=201)

    def _list(self, asked: Asked) -> web.Response:
        token = asked.query.get("continue", "")
        version, items = self._pages.pop(token) if token else self._snapshot(asked.plural)
        limit = min(int(asked.query.get("limit", "0")) or len(items), self.largest_page)
        page, rest = items[:limit], items[limit:]
        metadata = {"resourceVersion": str(version)}
        if rest:
            metadata["continue"] = f"{version}-{len(rest)}"
            self._pages[metadata["continue"]] = (version, rest)
        kind = KIND_BY_PLURAL[asked.plural]
        return web.json_response({"kind": f"{kind.name}List", "metadata": metadata, "items": page})

    async def _list_many(self, asked: Asked, request: web.Request) -> web.StreamResponse:
        """A page that never exists as a whole."""
        count, made = self.many[asked.plural]
        start = int(asked.query.get("continue", "0"))
        end = min(count, start + int(asked.query.get("limit", "0") or count))
        metadata = {"resourceVersion": str(self.version)}
        if end < count:
            metadata["continue"] = str(end)
        response = await stream(request)
        try:
            await response.write(b'{"metadata":' + json.dumps(metadata).encode() + b',"items":[')
            for number in range(start, end):
                await response.write((b"," if number > start else b"") + made(number))
            await response.write(b"]}")
        except ConnectionError:
            # Whoever asked has had enough.
            pass
        return response

    def _snapshot(self, plural: str) -> tuple[int, list[Raw]]:
        return self.version, list(self.objects[plural].values())

    async def _watch(self, asked: Asked, request: web.Request) -> web.StreamResponse:
        response = await stream(request)
        since, ends = int(asked.query["resourceVersion"]), self._ends
        if since < self.oldest[asked.plural]:
            await response.write(error_line(410, "Expired", "too old resource version"))
            return response
        self._watching.append(request)
        try:
            while self._ends == ends:
                changed = self._changed
                for version, line in self.history[asked.plural]:
                    if version > since:
                        await response.write(line)
                since = max(since, self.version)
                await changed.wait()
        except ConnectionError:
            pass
        finally:
            self._watching.remove(request)
        return response


def kubeconfig(cluster: Raw, user: Raw, *, context: str = "fake") -> Raw:
    """A kubeconfig with one of everything."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "fake", "cluster": cluster}],
        "users": [{"name": "tester", "user": user}],
        "contexts": [{"name": context, "context": {"cluster": "fake", "user": "tester"}}],
    }


async def stream(request: web.Request) -> web.StreamResponse:
    """An answer that goes on."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return response


def status(code: int, reason: str, message: str) -> web.Response:
    """A refusal as the API server words it."""
    return web.json_response(
        {"kind": "Status", "code": code, "reason": reason, "message": message}, status=code
    )


def error_line(code: int, reason: str, message: str) -> bytes:
    """An ERROR line of a watch."""
    raw = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return json.dumps({"type": "ERROR", "object": raw}).encode() + b"\n"


def answering(
    code: int, text: str = "", *, content_type: str = "text/plain", retry_after: str = ""
) -> Fault:
    """Answer with this and nothing else."""
    headers = {"Retry-After": retry_after} if retry_after else {}

    async def answer(_api: FakeApi, _asked: Asked, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, content_type=content_type, headers=headers)

    return answer


def refusing(code: int, reason: str, message: str = "") -> Fault:
    """Answer with a Status."""

    async def answer(_api: FakeApi, _asked: Asked, _request: web.Request) -> web.StreamResponse:
        return status(code, reason, message or reason)

    return answer


def saying(*parts: bytes, then: str = "end") -> Fault:
    """A watch that says this, then ends in order, is aborted, or stays silent."""

    async def answer(_api: FakeApi, _asked: Asked, request: web.Request) -> web.StreamResponse:
        response = await stream(request)
        for part in parts:
            await response.write(part)
        if then == "abort" and request.transport:
            # What was written must leave before the connection goes.
            await asyncio.sleep(0.01)
            request.transport.abort()
        if then == "silence":
            await asyncio.sleep(30)
        return response

    return answer


async def never(_api: FakeApi, _asked: Asked, _request: web.Request) -> web.StreamResponse:
    """Accept the request and never answer."""
    await asyncio.sleep(30)
    raise AssertionError("nobody waits so long")
