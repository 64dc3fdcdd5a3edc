"""The Kubernetes API as the rest of us sees it: raw bytes, our own deadlines, errors in kubectl's
words.

The only user of kubernetes_asyncio, which gives configuration, credentials, TLS and the request.
Its `Watch` and its models are not used: status, content type and line framing are ours, because the
library checks none of them on a watch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ledger.errors import ClusterUnreachable, ConfigurationInvalid, Forbidden, Unauthorized
from ledger.observe import Stream

CONNECT_SECONDS = 10.0
LIST_SECONDS = 60.0
IDLE_SECONDS = 75.0
"""A watch that says nothing for so long is given up; bookmarks come about once a minute."""

LINE_LIMIT_BYTES = 16 * 1024 * 1024
"""A longer watch line is skipped and reported; etcd's own limit is an order of magnitude below."""

PAGE_ITEMS = 250


@dataclass(frozen=True, slots=True)
class LongLine:
    """A watch line over the limit, skipped: only its length is known."""

    length_bytes: int


class Expired(Exception):
    """410 Gone: the API server no longer holds the history that was asked for. An expected ending."""


class Throttled(ClusterUnreachable):
    """The API server asks to come back later."""

    def __init__(self, message: str, *, after_seconds: float) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Cluster:
    """A connection to one API server. `reload` reads the credentials again."""

    def __init__(self, kubeconfig: str | None, context: str | None, client: Any) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._client = client

    @classmethod
    async def connect(cls, kubeconfig: str | None, context: str | None) -> Cluster:
        """Read the configuration; nothing is sent yet.

        Uses the file named, else in-cluster credentials where there are some, else KUBECONFIG or
        ~/.kube/config. Raises ConfigurationInvalid for a file or context that cannot be used.
        """
        return cls(kubeconfig, context, await _client(kubeconfig, context))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def reload(self) -> None:
        """Read token, certificates and CA again: they may have been rotated."""
        fresh = await _client(self._kubeconfig, self._context)
        stale, self._client = self._client, fresh
        await stale.close()

    async def identity(self) -> str:
        """The uid of namespace kube-system: what identifies a cluster."""
        raw = json.loads(await self._get("/api/v1/namespaces/kube-system", {}, LIST_SECONDS))
        return str(raw["metadata"]["uid"])

    async def list_page(self, stream: Stream, token: str, *, limit: int = PAGE_ITEMS) -> bytes:
        """One page of a consistent list (resourceVersion unset: a quorum read).

        Raises Expired when the continue token is too old.
        """
        asked: dict[str, Any] = {"limit": limit}
        if token:
            asked["continue"] = token
        if stream.kind.field_selector:
            asked["fieldSelector"] = stream.kind.field_selector
        return await self._get(stream.kind.path(stream.namespace), asked, LIST_SECONDS)

    async def watch(
        self, stream: Stream, version: str, *, timeout_seconds: int
    ) -> AsyncIterator[bytes | LongLine]:
        """The raw lines of one watch, until the server ends it or says nothing for too long.

        A last line without its newline is incomplete and dropped. Raises Expired for HTTP 410.
        """
        asked: dict[str, Any] = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": timeout_seconds,
        }
        if stream.kind.field_selector:
            asked["fieldSelector"] = stream.kind.field_selector
        response = await self._send(stream.kind.path(stream.namespace), asked, IDLE_SECONDS)
        try:
            async for line in _lines(response):
                yield line
        finally:
            response.close()

    async def allowed(self, verb: str, group: str, resource: str) -> bool:
        """Whether these credentials may do it in all namespaces (SelfSubjectAccessReview)."""
        attributes = {"verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        response = await self._send(path, {}, LIST_SECONDS, method="POST", body=review)
        answer = json.loads(await response.read())
        return bool(answer.get("status", {}).get("allowed"))

    async def _get(self, path: str, asked: dict[str, Any], idle_seconds: float) -> bytes:
        response = await self._send(path, asked, idle_seconds)
        try:
            return bytes(await response.read())
        except (OSError, TimeoutError) as wrong:
            raise ClusterUnreachable(f"the API server broke off its answer: {wrong}") from wrong
        finally:
            response.close()

    async def _send(
        self,
        path: str,
        asked: dict[str, Any],
        idle_seconds: float,
        *,
        method: str = "GET",
        body: Any = None,
    ) -> Any:
        """The response, its status checked and its body not read."""
        import aiohttp

        try:
            response = await self._client.call_api(
                path,
                method,
                query_params=list(asked.items()),
                header_params={"Accept": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=(CONNECT_SECONDS, idle_seconds),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as wrong:
            raise _unreachable(self._client.configuration.host, wrong) from wrong
        if response.status not in (200, 201):
            await _refuse(response, path)
        if "json" not in response.headers.get("Content-Type", ""):
            response.close()
            raise ClusterUnreachable("the server's answer is not an API server's")
        return response


async def _lines(response: Any) -> AsyncIterator[bytes | LongLine]:
    import aiohttp

    rest, skipped = b"", 0
    try:
        async for chunk in response.content.iter_any():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if skipped:
                    yield LongLine(skipped + len(line))
                    skipped = 0
                elif line:
                    yield line
            if len(rest) > LINE_LIMIT_BYTES or skipped:
                skipped, rest = skipped + len(rest), b""
    except TimeoutError:
        return
    except (aiohttp.ClientError, OSError) as wrong:
        raise ClusterUnreachable(f"the watch broke off: {wrong}") from wrong


async def _client(kubeconfig: str | None, context: str | None) -> Any:
    from kubernetes_asyncio import client, config

    # The library's debug log holds whole response bodies, secrets and all.
    logging.getLogger("kubernetes_asyncio.client.rest").setLevel(logging.INFO)
    configuration = client.Configuration()
    try:
        if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
        else:
            await config.load_kube_config(
                config_file=kubeconfig, context=context, client_configuration=configuration
            )
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError) as wrong:
        raise await _unusable(kubeconfig, context, wrong) from wrong
    configuration.retries = False
    return client.ApiClient(configuration)


async def _unusable(
    kubeconfig: str | None, context: str | None, wrong: Exception
) -> ConfigurationInvalid:
    from kubernetes_asyncio import config

    named = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        contexts, _ = config.list_kube_config_contexts(config_file=kubeconfig)
        names = sorted(str(entry["name"]) for entry in contexts)
    except Exception:  # noqa: BLE001 - the file itself is at fault, and `wrong` says how
        reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
        return ConfigurationInvalid(
            f"{named} cannot be used: {reason}",
            hint="name a kubeconfig with --kubeconfig or the environment's KUBECONFIG",
        )
    if context and context not in names:
        return ConfigurationInvalid(
            f'context "{context}" does not exist in {named}',
            hint=f"it has: {', '.join(names) or 'none'}",
        )
    return ConfigurationInvalid(f"{named} cannot be used: {wrong}", hint="see kubectl config view")


def _unreachable(host: str, wrong: BaseException) -> ClusterUnreachable:
    import aiohttp

    server = host.partition("://")[2] or host
    if isinstance(wrong, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return ClusterUnreachable(
            f"the certificate of {server} is not trusted: {wrong}",
            hint="check certificate-authority-data in the kubeconfig",
        )
    if isinstance(wrong, aiohttp.ClientConnectorError):
        return ClusterUnreachable(
            f"The connection to the server {server} was refused"
            " - did you specify the right host or port?",
            hint=str(wrong.os_error) if wrong.os_error else "",
        )
    if isinstance(wrong, TimeoutError | asyncio.TimeoutError):
        return ClusterUnreachable(f"the server {server} does not answer in time")
    return ClusterUnreachable(f"the server {server} cannot be reached: {wrong}")


async def _refuse(response: Any, path: str) -> None:
    """Translate a status other than success, once."""
    text = (await response.content.read(64 * 1024)).decode("utf-8", "replace")
    response.close()
    message = _status_message(text)
    match response.status:
        case 410:
            raise Expired(message)
        case 401:
            raise Unauthorized(
                "You must be logged in to the server (Unauthorized)",
                hint="the token is wrong or expired: get a new one, then try again",
            )
        case 403:
            raise Forbidden(
                f"Error from server (Forbidden): {message}",
                hint="the watcher needs get, list and watch: see compose/kubernetes/rbac.yaml",
            )
        case 429 | 503 if (after := response.headers.get("Retry-After", "")).isdigit():
            raise Throttled(f"the API server is busy ({path})", after_seconds=float(after))
        case status:
            raise ClusterUnreachable(f"the API server answers {status}: {message}")


def _status_message(text: str) -> str:
    """The message of a Status; the first line of anything else, cut, since it may hold anything."""
    try:
        status = json.loads(text)
        return str(status["message"])[:500]
    except (ValueError, KeyError, TypeError):
        lines = text.strip().splitlines()
        return lines[0][:120] if lines else "no message"
