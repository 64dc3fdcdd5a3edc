"""Credentials and authorities that are replaced on disk while a watcher runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from ledger.cluster import Cluster
from tests.fake_api import FakeApi, kubeconfig
from tests.faults import row
from tests.test_cluster_requests import certificate, tls
from tests.watching import PODS, QUICK, gaps, listings, seen, watching


@row("W11", how="token file replaced, the old token refused from the next watch on", part="fake")
async def test_w11_a_token_replaced_on_disk_is_used_by_the_next_watch(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first-token\n")
    api = FakeApi()
    await api.start()
    path = api.kubeconfig(tmp_path, user={"tokenFile": str(token)})
    cluster = await Cluster.connect(str(path), None, deadlines=QUICK)
    try:
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: listings(found) == 1)
            token.write_text("second-token\n")
            api.tokens = {"second-token"}
            api.end_watches()
            api.put("pods", "web-0")
            found = await watch.until(lambda found: "101" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)
        assert api.asked[-1].token == "second-token"
    finally:
        await cluster.close()
        await api.stop()


@row(
    "W12", how="server restarted with a certificate of a new authority; then its file", part="fake"
)
async def test_w12_a_new_authority_needs_no_restart_and_leaves_no_gap(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(first.read_bytes())
    api = FakeApi()
    await api.start(tls(first))
    named = {"server": f"https://127.0.0.1:{api.port}", "certificate-authority": "ca.crt"}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig(named, {"token": "first-token"})))
    cluster = await Cluster.connect(str(path), None, deadlines=QUICK)
    try:
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: listings(found) == 1)
            await api.stop()
            api.put("pods", "web-0")
            await api.start(tls(second))
            while watch.watcher.observers[0].state != "reconnecting":
                await watch.until(lambda _: True)
            await asyncio.sleep(0.1)
            assert "101" not in seen(await watch.until(lambda _: True))
            authority.write_bytes(second.read_bytes())
            found = await watch.until(lambda found: "101" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)
    finally:
        await cluster.close()
        await api.stop()
