"""The Kubernetes API as the rest of us sees it: raw bytes, our own deadlines, errors in kubectl's
words.

Built on login.py, which reads the credentials and sends requests with kubernetes_asyncio.
Its `Watch` and its models are not used: status, content type, line framing and deadlines are ours,
because on a watch the library minds none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

from ledger.answers import (
    decoded,
    not_its_own,
    refusal,
    skew_seconds,
    too_large,
    uid_of,
    unreachable,
)
from ledger.deadlines import Deadlines
from ledger.errors import ClusterUnreachable, ConfigurationInvalid, OtherCluster
from ledger.kubeconfig import ServiceAccount, find_access
from ledger.lines import LineSplitter, LongLine
from ledger.login import Login, Request, broken
from ledger.model import utc_now
from ledger.observe import Stream

PAGE_ITEMS = 250
ANSWER_BYTES = 32 * 1024 * 1024
REFUSAL_BYTES = 64 * 1024
WATCH_GRACE_SECONDS = 30.0
"""How long past its own timeout a watch may last before it is given up here."""

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Cluster:
    """A connection to one API server, with credentials that are read again when they change."""

    def __init__(self, kubeconfig: str | None, login: Login, deadlines: Deadlines) -> None:
        self._kubeconfig = kubeconfig
        self._login = login
        self._deadlines = deadlines
        self._identity = ""
        self.skew_seconds: float | None = None
        self._renewing = asyncio.Lock()

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None,
        context: str | None,
        *,
        deadlines: Deadlines | None = None,
        service_account: ServiceAccount = "last",
    ) -> Cluster:
        """Settle on a cluster and read the credentials; nothing is sent yet.

        Raises ConfigurationInvalid as `find_access` does, and for credentials that cannot be used.
        """
        access = find_access(kubeconfig, context, service_account=service_account)
        deadlines = deadlines or Deadlines()
        return cls(kubeconfig, await Login.read(access, deadlines), deadlines)

    @property
    def namespace(self) -> str:
        """Where kubectl looks when nothing else is said."""
        return self._login.access.namespace

    async def close(self) -> None:
        """Close the connections. Closing twice is allowed."""
        await self._login.retire()

    async def identity(self) -> str:
        """The uid of namespace kube-system: what identifies a cluster.

        Once asked for, it is asked again whenever the credentials change, and OtherCluster is
        raised should it be another.
        """
        self._identity = uid_of(await self._get(Request(KUBE_SYSTEM)))
        return self._identity

    async def ask(self, request: Request) -> dict[str, Any]:
        """The JSON object that answers one request, sent once.

        Raises Forbidden, or Refused with the answer's code, when the API server has answered;
        another ClusterUnreachable when it has not: then a write may have been done or not.
        """
        return decoded(await self._get(request))

    async def list_page(self, stream: Stream, token: str, *, limit: int = PAGE_ITEMS) -> bytes:
        """One page of a consistent list (resourceVersion unset: a quorum read), as received.

        Raises TooLarge, having read 32 MiB, when fewer items must be asked for; Expired when the
        continue token is too old; ClusterUnreachable otherwise.
        """
        query = [("limit", str(limit)), *_selector(stream)]
        if token:
            query.append(("continue", token))
        return await self._get(Request(stream.kind.path(stream.namespace), tuple(query)), limit)

    def watch(
        self, stream: Stream, *, resource_version: str, timeout_seconds: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | LongLine]]:
        """One watch: entered once the server has accepted it, it gives the lines as received.

        The lines end when the server ends them, breaks off, or says nothing for too long; half a
        line is not handed out. Entering raises Expired for HTTP 410, ClusterUnreachable otherwise.
        """
        query = (
            ("watch", "1"),
            ("resourceVersion", resource_version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(timeout_seconds)),
            *_selector(stream),
        )
        request = Request(stream.kind.path(stream.namespace), query)
        return self._watching(request, timeout_seconds + WATCH_GRACE_SECONDS)

    async def allowed(
        self, verb: str, group: str, resource: str, *, namespace: str | None = None
    ) -> bool:
        """Whether these credentials may do it, in one namespace or (None) in all."""
        attributes = {"verb": verb, "group": group, "resource": resource}
        if namespace:
            attributes["namespace"] = namespace
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = decoded(await self._get(Request(ACCESS_REVIEWS, (), "POST", review)))
        return bool((answer.get("status") or {}).get("allowed"))

    async def _get(self, request: Request, items: int = 1) -> bytes:
        raw = bytearray()
        async with self._answer(request, self._deadlines.answer_seconds, "read_seconds") as answer:
            try:
                async for chunk in answer.content.iter_any():
                    raw += chunk
                    if len(raw) > ANSWER_BYTES:
                        raise too_large(items)
            except broken() as wrong:
                raise unreachable(self._login.access.server, wrong) from wrong
        return bytes(raw)

    @asynccontextmanager
    async def _watching(
        self, request: Request, total_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes | LongLine]]:
        async with (
            self._answer(request, total_seconds, "idle_seconds") as answer,
            aclosing(_lines(answer)) as lines,
        ):
            yield lines

    @asynccontextmanager
    async def _answer(
        self, request: Request, total_seconds: float, pause: str
    ) -> AsyncIterator[Any]:
        """The answer to a request, its status and content type checked and its body not read.

        A first 401 reads the credentials again: tokens expire while we run.
        """
        timeout = _timeout(self._deadlines, total_seconds, getattr(self._deadlines, pause))
        login = await self._current(None)
        async with login.sent(request, timeout) as answer:
            if answer.status != 401:
                self.skew_seconds = skew_seconds(answer.headers.get("Date", ""), now=utc_now())
                await _accept(answer)
                yield answer
                return
        login = await self._current(login)
        async with login.sent(request, timeout) as answer:
            await _accept(answer)
            yield answer

    async def _current(self, refused: Login | None) -> Login:
        """The login to use: the one we have, unless it was refused or its files have changed."""
        async with self._renewing:
            if self._login is refused or self._login.is_outdated:
                await self._renew()
            return self._login

    async def _renew(self) -> None:
        try:
            access = find_access(self._kubeconfig, self._login.access.context or None)
            fresh = await Login.read(access, self._deadlines)
        except ConfigurationInvalid as wrong:
            # Files are rotated one after the other: what cannot be used now may be in a moment.
            raise ClusterUnreachable(wrong.message, hint=wrong.hint) from wrong
        try:
            await self._refuse_other_cluster(fresh)
        except BaseException:
            await fresh.retire()
            raise
        stale, self._login = self._login, fresh
        await stale.retire()

    async def _refuse_other_cluster(self, login: Login) -> None:
        if not self._identity:
            return
        seconds = self._deadlines
        timeout = _timeout(seconds, seconds.answer_seconds, seconds.read_seconds)
        async with login.sent(Request(KUBE_SYSTEM), timeout) as answer:
            await _accept(answer)
            found = uid_of(await answer.read())
        if found != self._identity:
            raise OtherCluster(
                f"{login.access.server} was cluster {self._identity} and is now cluster {found}",
                hint="give each cluster its own --data folder or topic",
            )


async def _accept(answer: Any) -> None:
    if answer.status not in (200, 201, 202):
        try:
            raw = await answer.content.read(REFUSAL_BYTES)
        except broken():
            raw = b""
        retry_after = answer.headers.get("Retry-After", "")
        raise refusal(raw, code=answer.status, retry_after=retry_after)
    if "json" not in answer.headers.get("Content-Type", ""):
        raise not_its_own("is not an API server's")


async def _lines(answer: Any) -> AsyncGenerator[bytes | LongLine, None]:
    splitter = LineSplitter()
    try:
        async for chunk in answer.content.iter_any():
            for line in splitter.feed(chunk):
                yield line
    except broken():
        # A watch may end in any way: the next one goes on from the last whole line.
        return


def _selector(stream: Stream) -> list[tuple[str, str]]:
    selector = stream.kind.field_selector
    return [("fieldSelector", selector)] if selector else []


def _timeout(deadlines: Deadlines, total_seconds: float, pause_seconds: float) -> Any:
    import aiohttp

    connect = deadlines.connect_seconds
    return aiohttp.ClientTimeout(
        total=total_seconds, connect=connect, sock_connect=connect, sock_read=pause_seconds
    )
