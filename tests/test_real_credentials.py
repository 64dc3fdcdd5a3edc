"""Credentials and rights that end while a real API server is watched."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from ledger.model import KIND_BY_PLURAL
from ledger.observe import Stream
from tests.faults import row
from tests.lab.api import Api
from tests.lab.control_plane import HERE, ControlPlane
from tests.lab.driver import Driver
from tests.lab.process import free_ports
from tests.lab.scenario import applied
from tests.lab.users import ADMIN, WATCHER, write_private
from tests.proxy import Proxy
from tests.real import WEB
from tests.real_watching import hasty, listed, recording, until
from tests.watching import Watching, documents, gaps

SETS = Stream(KIND_BY_PLURAL["statefulsets"], "default")
PODS = Stream(KIND_BY_PLURAL["pods"], "default")
VOLUMES = Stream(KIND_BY_PLURAL["persistentvolumes"], "*")
ISSUER = "https://kubernetes.default.svc"
ACCOUNT = "watching"
SHORT_SECONDS = 3.0
LEEWAY_SECONDS = 60
"""So much longer than its `exp` an API server accepts a token (go-jose's default)."""

TIMEOUT = pytest.mark.timeout(90)


@row("W9", how="a service account's token that expires, then one by TokenRequest", part="real")
@TIMEOUT
async def test_w09_an_expired_token_is_an_outage_and_its_successor_resumes_without_a_gap(
    breakable: ControlPlane, tmp_path: Path
) -> None:
    driver = await asyncio.to_thread(made, breakable)
    kubeconfig = tmp_path / "kubeconfig"
    async with proxied(breakable) as (proxy, server):
        first = short_token(breakable)
        write_kubeconfig(breakable, kubeconfig, server, {"token": first})
        async with recording(kubeconfig, [SETS], pace=hasty()) as watch:
            await listed(watch, [SETS])
            await asyncio.to_thread(refused, breakable, first)
            proxy.cut()
            await restarted(watch, "unauthorized")
            await asyncio.to_thread(driver.run, "scale", "sts/web", "--replicas=1")
            successor = await asyncio.to_thread(issued_token, breakable)
            write_kubeconfig(breakable, kubeconfig, server, {"token": successor})
            await saw_newest_set(watch, driver)
            assert gaps(await until(watch, lambda _: True)) == []


@row("W11", how="the token file replaced before its token expires, then the API cut", part="real")
@TIMEOUT
async def test_w11_a_token_rotated_on_disk_is_used_from_the_next_request_on(
    breakable: ControlPlane, tmp_path: Path
) -> None:
    driver = await asyncio.to_thread(made, breakable)
    kubeconfig, token_file = tmp_path / "kubeconfig", tmp_path / "token"
    async with proxied(breakable) as (proxy, server):
        first = short_token(breakable)
        write_private(token_file, first)
        write_kubeconfig(breakable, kubeconfig, server, {"tokenFile": str(token_file)})
        async with recording(kubeconfig, [SETS], pace=hasty()) as watch:
            await listed(watch, [SETS])
            successor = await asyncio.to_thread(issued_token, breakable)
            os.replace(write_private(tmp_path / "next", successor), token_file)
            await asyncio.to_thread(refused, breakable, first)
            proxy.cut()
            await asyncio.to_thread(driver.run, "scale", "sts/web", "--replicas=2")
            await saw_newest_set(watch, driver)
            assert gaps(await until(watch, lambda _: True)) == []
            assert "unauthorized" not in watch.watcher.observers[0].restarts


@row("W10", how="RBAC changed on the live cluster: the right to volumes taken away", part="real")
@TIMEOUT
async def test_w10_a_kind_that_becomes_forbidden_is_a_gap_until_the_right_is_back(
    breakable: ControlPlane, tmp_path: Path
) -> None:
    driver = await asyncio.to_thread(made, breakable)
    kubeconfig = tmp_path / "kubeconfig"
    async with proxied(breakable) as (proxy, server):
        text = breakable.kubeconfig(WATCHER).read_text()
        kubeconfig.write_text(text.replace(breakable.server, server))
        async with recording(kubeconfig, [SETS, VOLUMES], pace=hasty()) as watch:
            await listed(watch, [SETS, VOLUMES])
            await asyncio.to_thread(forbid_volumes, breakable)
            proxy.cut()
            await until(watch, lambda found: gaps(found) == ["forbidden"])
            annotate = ("annotate", "pv/pv-001", "missed=once", "--overwrite")
            await asyncio.to_thread(breakable.administer, *annotate)
            await asyncio.to_thread(driver.run, "scale", "sts/web", "--replicas=1")
            await saw_newest_set(watch, driver)
            states = {stream.stream.key: stream.state for stream in watch.watcher.observers}
            assert states == {"statefulsets/default": "live", "persistentvolumes/*": "forbidden"}
            await asyncio.to_thread(breakable.apply, HERE / "rights.yaml")
            found = await until(watch, lambda found: gaps(found, "closed") == ["forbidden"])
            assert gaps(found) == ["forbidden"]
            rows = [row for row in await documents(watch.log) if row.fact == "state"]
            listed_late = [row.data for row in rows if row.subject.endswith("/pv-001")][-1]
            assert listed_late["metadata"]["annotations"]["missed"] == "once"


@row("W12", how="a new authority and serving certificate; API server restarted", part="real")
@TIMEOUT
async def test_w12_a_new_certificate_authority_in_the_kubeconfig_is_trusted_without_a_restart(
    breakable: ControlPlane, tmp_path: Path
) -> None:
    await asyncio.to_thread(made, breakable)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(breakable.kubeconfig(WATCHER).read_bytes())
    async with recording(kubeconfig, [SETS, PODS], pace=hasty()) as watch:
        await listed(watch, [SETS, PODS])
        await asyncio.to_thread(breakable.rotate_authority)
        driver = await asyncio.to_thread(Driver, breakable, "default")
        await asyncio.to_thread(driver.run, "scale", "sts/web", "--replicas=2")
        watch.watcher.observers[0].restarts.clear()
        await restarted(watch, "clusterunreachable")
        replacement = tmp_path / "replacement"
        replacement.write_bytes(breakable.kubeconfig(WATCHER).read_bytes())
        os.replace(replacement, kubeconfig)
        await saw_newest_set(watch, driver)
        found = await until(watch, lambda found: len(gaps(found)) == len(gaps(found, "closed")))
        # Not for the certificate: the API server was restarted for it, and forgot its history.
        assert set(gaps(found)) <= {"expired-410"}


def made(plane: ControlPlane) -> Driver:
    """A StatefulSet at rest, and a service account that may watch."""
    driver = Driver(plane, "default")
    applied(driver, WEB)
    driver.settled()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "rollout-ledger-watcher"}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": ACCOUNT},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "default"}],
    }
    plane.administer("apply", "-f", "-", stdin=yaml.safe_dump_all([account, binding]))
    return driver


RBAC = "rbac.authorization.k8s.io"


def short_token(plane: ControlPlane) -> str:
    """A token of the service account that the API server accepts for a few seconds."""
    api = Api(plane.kubeconfig(ADMIN))
    uid = api.get(f"/api/v1/namespaces/default/serviceaccounts/{ACCOUNT}")["metadata"]["uid"]
    now = int(time.time())
    bound = {"namespace": "default", "serviceaccount": {"name": ACCOUNT, "uid": uid}}
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": [ISSUER],
        "sub": f"system:serviceaccount:default:{ACCOUNT}",
        "iat": now - 3600,
        "nbf": now - 3600,
        "exp": now - LEEWAY_SECONDS + int(SHORT_SECONDS),
        "kubernetes.io": bound,
    }
    return plane.service_account_token(claims)


def issued_token(plane: ControlPlane) -> str:
    """A token of the service account that the API server has issued."""
    return plane.administer("create", "token", ACCOUNT).strip()


def refused(plane: ControlPlane, token: str) -> None:
    """Return once the API server does not take the token any more."""
    api = Api(plane.kubeconfig(ADMIN))
    api.headers = {"Authorization": f"Bearer {token}"}
    while api.succeeds("/api"):
        time.sleep(0.1)


def forbid_volumes(plane: ControlPlane) -> None:
    """Take the right to volumes from the watcher, and return once the API server knows."""
    rights = '[{"op": "replace", "path": "/rules/1/resources", "value": ["pods", "events"]}]'
    name = "clusterrole/rollout-ledger-watcher"
    plane.administer("patch", name, "--type=json", "-p", rights)
    api = Api(plane.kubeconfig(WATCHER))
    while api.succeeds("/api/v1/persistentvolumes"):
        time.sleep(0.1)


@asynccontextmanager
async def proxied(plane: ControlPlane) -> AsyncIterator[tuple[Proxy, str]]:
    """The API server behind a proxy: running watches end only when their connection does."""
    (port,) = free_ports(1)
    target = urlsplit(plane.server).port
    assert target
    async with Proxy(port, target) as proxy:
        yield proxy, f"https://127.0.0.1:{port}"


def write_kubeconfig(
    plane: ControlPlane, path: Path, server: str, credentials: dict[str, str]
) -> None:
    """Write the kubeconfig anew, in one step, with these credentials."""
    config = yaml.safe_load(plane.kubeconfig(WATCHER).read_text())
    config["clusters"][0]["cluster"]["server"] = server
    config["users"][0]["user"] = credentials
    fresh = write_private(path.with_suffix(".next"), yaml.safe_dump(config))
    os.replace(fresh, path)


async def restarted(watch: Watching, reason: str) -> None:
    """Return once the first stream's watch has ended, or failed to begin, for this reason."""
    await until(watch, lambda _: watch.watcher.observers[0].restarts[reason] > 0)


async def saw_newest_set(watch: Watching, driver: Driver) -> None:
    """Return once the records hold the StatefulSet as the API has it, at rest."""
    await asyncio.to_thread(driver.settled)
    wanted = await asyncio.to_thread(driver.get, "statefulsets", "web")
    version = wanted["metadata"]["resourceVersion"]
    await until(watch, lambda found: any(words[1:] == ("web", version) for words in found))
