"""One reading of a kubeconfig or service account, and the client that sends requests with it.

With cluster.py the only user of kubernetes_asyncio, which gives configuration, credentials, TLS and
the request. What is asked, and what the answers mean, is left to cluster.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ledger import __version__
from ledger.answers import unreachable
from ledger.deadlines import Deadlines
from ledger.errors import ConfigurationInvalid
from ledger.kubeconfig import Access, Stamp

_MALFORMED = (ValueError, TypeError, KeyError, AttributeError)
"""What the library raises for a kubeconfig whose parts are not of the types it expects."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of an API server."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: Any = None
    content_type: str = "application/json"
    """What the body is; the API server takes several kinds of patch."""

    accept: str = "application/json"


class Login:
    """The library's client with one reading of the credentials; closed once nobody uses it."""

    def __init__(self, client: Any, access: Access, stamps: tuple[Stamp, ...]) -> None:
        self.access = access
        self._stamps = stamps
        self._client = client
        self._users = 0
        self._retired = False

    @classmethod
    async def read(cls, access: Access, deadlines: Deadlines) -> Login:
        """Read the credentials. Raises ConfigurationInvalid when they cannot be used."""
        # Stamped before they are read: what changes meanwhile is read again.
        stamps = access.stamps()
        try:
            async with asyncio.timeout(deadlines.login_seconds):
                client = await _client(access)
        except TimeoutError:
            raise ConfigurationInvalid(
                f"the credentials of context {access.context} did not come in time",
                hint="the program that the kubeconfig names under exec does not end",
            ) from None
        return cls(client, access, stamps)

    @property
    def is_outdated(self) -> bool:
        """A file that the credentials came from has changed since."""
        return self._stamps != self.access.stamps()

    async def retire(self) -> None:
        """No new requests; those that run keep their connection to their end."""
        self._retired = True
        await self._close_if_idle()

    @asynccontextmanager
    async def sent(self, request: Request, timeout: Any) -> AsyncIterator[Any]:
        """The answer to one request, whatever its status."""
        self._users += 1
        try:
            answer = await self._send(request, timeout)
            try:
                yield answer
            finally:
                answer.close()
        finally:
            self._users -= 1
            await self._close_if_idle()

    async def _send(self, request: Request, timeout: Any) -> Any:
        try:
            return await self._client.call_api(
                request.path,
                request.method,
                query_params=list(request.query),
                header_params={"Accept": request.accept, "Content-Type": request.content_type},
                body=request.body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=timeout,
            )
        except broken() as wrong:
            raise unreachable(self.access.server, wrong) from wrong

    async def _close_if_idle(self) -> None:
        if self._retired and not self._users:
            await self._client.close()


def _no_bodies(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


async def _client(access: Access) -> Any:
    import yaml
    from kubernetes_asyncio import client, config

    # The one prints whole bodies, secrets and all; the other what we say ourselves.
    bodies = logging.getLogger("kubernetes_asyncio.client.rest")
    bodies.setLevel(logging.INFO)
    # A level can be set again by anyone; what is filtered stays out.
    bodies.addFilter(_no_bodies)
    logging.getLogger("kubernetes_asyncio.config").setLevel(logging.CRITICAL)
    configuration = client.Configuration()
    try:
        if access.paths:
            await config.load_kube_config(
                config_file=os.pathsep.join(map(str, access.paths)),
                context=access.context,
                client_configuration=configuration,
                persist_config=False,
            )
        else:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        # A token file may end in a newline, which no header may (client-go strips it too).
        keys = {name: _header_value(key) for name, key in configuration.api_key.items()}
        configuration.api_key = keys
        # A connection for each watch: many namespaces must not wait for one another.
        configuration.connection_pool_maxsize = 0
        made = client.ApiClient(configuration)
    except (config.ConfigException, yaml.YAMLError, OSError, *_MALFORMED) as wrong:
        raise ConfigurationInvalid(
            f"the credentials of {access.context or 'the service account'} cannot be used: "
            f"{' '.join(str(wrong).split())[:300] or type(wrong).__name__}",
            hint="`kubectl auth whoami` uses the same ones",
        ) from wrong
    made.user_agent = f"rollout-ledger/{__version__}"
    for name, value in access.impersonation:
        made.set_default_header(name, value)
    return made


def _header_value(key: str) -> str:
    value = key.strip()
    if not value.isprintable():
        raise ValueError("the token holds control characters")
    return value


def broken() -> tuple[type[BaseException], ...]:
    """Everything that the network can do to a request."""
    import aiohttp

    return (aiohttp.ClientError, OSError, TimeoutError)
