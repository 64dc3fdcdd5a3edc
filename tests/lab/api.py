"""Reads the cluster's API as JSON, for waiting and comparing.

A few lines over http.client rather than a Kubernetes client: the lab must not share
a bug with the product, and starting kubectl for every poll would be slow.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

RESOURCES = {
    "statefulsets": "/apis/apps/v1",
    "controllerrevisions": "/apis/apps/v1",
    "pods": "/api/v1",
    "persistentvolumeclaims": "/api/v1",
    "persistentvolumes": "/api/v1",
    "events": "/api/v1",
}
"""What Rollout Ledger watches, by plural name, with its API group's path."""

TIMEOUT_SECONDS = 10.0


class NotFoundError(Exception):
    """The API answered 404."""


class RefusedError(Exception):
    """The API answered something else than success; the text is the answer."""


class Api:
    """A connection to the API as the user of one kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        """Use the current context's server and token; connects when first asked."""
        self._connection: http.client.HTTPSConnection | None = None
        self.server, self.headers, self.tls = _access(kubeconfig)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the next request connects again."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def get(self, path: str) -> dict[str, Any]:
        """The object or list at `path`."""
        return self._request("GET", path)

    def items(self, resource: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """Every object of a watched resource, in one namespace or all."""
        where = f"/namespaces/{namespace}" if namespace else ""
        found: list[dict[str, Any]] = self.get(f"{RESOURCES[resource]}{where}/{resource}")["items"]
        return found

    def succeeds(self, path: str) -> bool:
        """Whether the API answers `path`, JSON or not, with success."""
        return self._answer("GET", path, None)[0] < 300

    def patch(
        self, path: str, change: dict[str, Any], *, agent: str = "rollout-ledger-lab"
    ) -> dict[str, Any]:
        """The object at `path` after a merge patch, by a client that calls itself `agent`."""
        headers = {"Content-Type": "application/merge-patch+json", "User-Agent": agent}
        return self._request("PATCH", path, json.dumps(change), headers)

    def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The object at `path` after an update; RefusedError if it is another one by now."""
        return self._request("PUT", path, json.dumps(body), {"Content-Type": "application/json"})

    def _request(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] = {}
    ) -> dict[str, Any]:
        """The parsed answer; NotFoundError or RefusedError if it was not a success."""
        status, text = self._answer(method, path, body, headers)
        if status == 404:
            raise NotFoundError(path)
        if status >= 300:
            raise RefusedError(f"{method} {path}: {status} {text[:300]}")
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def _answer(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str] = {}
    ) -> tuple[int, str]:
        """Send over the kept connection; one that went stale is replaced once."""
        try:
            return self._exchange(method, path, body, headers)
        except (ConnectionError, http.client.HTTPException):
            self.close()
            return self._exchange(method, path, body, headers)

    def _exchange(
        self, method: str, path: str, body: str | None, headers: Mapping[str, str]
    ) -> tuple[int, str]:
        """One request, its status and its text."""
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                urlsplit(self.server).netloc, context=self.tls, timeout=TIMEOUT_SECONDS
            )
        self._connection.request(method, path, body, {**self.headers, **headers})
        response = self._connection.getresponse()
        return response.status, response.read().decode()


def _access(kubeconfig: Path) -> tuple[str, dict[str, str], ssl.SSLContext]:
    """Server, request headers and TLS settings of the current context."""
    config = yaml.safe_load(kubeconfig.read_text())
    named = {
        part: {row["name"]: row[part[:-1]] for row in config[part]}
        for part in ("clusters", "contexts", "users")
    }
    context = named["contexts"][config["current-context"]]
    cluster, user = named["clusters"][context["cluster"]], named["users"][context["user"]]
    tls = ssl.create_default_context(cadata=_text(cluster["certificate-authority-data"]))
    if "client-certificate-data" in user:
        _load_client_certificate(tls, user)
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    if "as" in user:
        headers["Impersonate-User"] = user["as"]
    return cluster["server"], headers, tls


def _load_client_certificate(tls: ssl.SSLContext, user: dict[str, str]) -> None:
    """Make `tls` present the user's certificate; the ssl module takes it from a file only."""
    with tempfile.NamedTemporaryFile("w") as pair:
        pair.write(_text(user["client-certificate-data"]) + _text(user["client-key-data"]))
        pair.flush()
        tls.load_cert_chain(pair.name)


def _text(data: str) -> str:
    """The text behind a kubeconfig's base64 field."""
    return base64.b64decode(data).decode()
