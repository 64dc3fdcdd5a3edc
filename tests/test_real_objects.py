"""What a real API server's objects become on the line: large ones, all their fields, and what two
watchers see at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import row
from tests.invariants import values_of_log
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.topics import Topics
from tests.lab.users import WATCHER
from tests.line import Line
from tests.real import CANARY, WEB, ask, causes, check_as_kubectl, end, look_over

LARGE_BYTES = 1_400_000
"""etcd takes requests of up to 1.5 MiB, so no StatefulSet can be much larger."""

CATCH_UP_SECONDS = 20.0
TIMEOUT = pytest.mark.timeout(120)


@pytest.fixture
def line(driver: Driver, tmp_path: Path) -> Iterator[Line]:
    """An installation that records the test's namespace."""
    with Line(tmp_path, driver.cluster.kubeconfig(WATCHER), driver.namespace) as running:
        yield running


@row("W13", how="a StatefulSet of 1.4 MB: as large as etcd takes them", part="real")
@TIMEOUT
def test_w13_a_set_as_large_as_etcd_takes_is_recorded_whole(driver: Driver, line: Line) -> None:
    manifest = json.loads(json.dumps(WEB._document()))
    text = "shop " * (LARGE_BYTES // 5)
    manifest["spec"]["template"]["spec"]["containers"][0]["args"] = [text]
    driver.run("create", "-f", "-", stdin=json.dumps(manifest))
    driver.settled()
    line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
    check_as_kubectl(driver, line, "web")
    stored = newest(line, driver)
    whole = [data for data in stored.values() if len(json.dumps(data)) > LARGE_BYTES]
    # The set, its revision and both its pods.
    assert len(whole) == 4
    assert causes(line) == {}
    end(line)


@row("W14", how="every field that API server and controllers write, managedFields too", part="real")
@TIMEOUT
def test_w14_every_field_that_the_api_server_sends_is_in_the_record(
    driver: Driver, line: Line
) -> None:
    applied(driver, WEB)
    driver.settled()
    line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
    stored, live = newest(line, driver), objects(driver)
    for uid, raw in live.items():
        assert different(stored[uid], raw) == set(), raw["metadata"]["name"]
    assert all("managedFields" in data["metadata"] for data in stored.values())
    end(line)


@row("W29", how="two watcher processes on one Kafka topic, one killed for a while", part="real")
@pytest.mark.kafka
@TIMEOUT
def test_w29_two_watchers_side_by_side_are_one_history(
    control_plane: Cluster, driver: Driver, broker: Topics, topic: str, tmp_path: Path
) -> None:
    address = f"kafka://{broker.address}/{topic}"
    kubeconfig = control_plane.kubeconfig(WATCHER)
    line = Line(tmp_path / "one", kubeconfig, driver.namespace, log=address)
    other = Line(tmp_path / "other", kubeconfig, driver.namespace, log=address)
    line.make_keys()
    shutil.copytree(line.data / "keys", other.data / "keys")
    with line:
        other.start("watch")
        applied(driver, WEB)
        driver.settled()
        line.kill("watch")
        driver.run("set", "image", "sts/web", "app=shop/web:2")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        line.start("watch")
        driver.run("scale", "sts/web", "--replicas=1")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        check_as_kubectl(driver, line, "web")
        assert causes(line) == {}
        assert other.stop("watch") == 0
        assert [line.stop("watch"), line.stop("consume")] == [0, 0]
    look_over(line)
    assert ask(line, "select count(*) from instances") == [(3,)]
    [(repeated,)] = ask(
        line, "select count(*) from observations where disposition not in ('first', 'late')"
    )
    assert repeated > 0


def objects(driver: Driver) -> dict[str, dict[str, Any]]:
    """Every live object of the namespace as the API gives it, by uid."""
    return {
        item["metadata"]["uid"]: item for items in driver.snapshot().raw.values() for item in items
    }


def newest(line: Line, driver: Driver) -> dict[str, dict[str, Any]]:
    """The newest recorded state of every live object, by uid."""
    found: dict[str, dict[str, Any]] = {}
    versions = driver.live_versions()
    for value in values_of_log(line.data / "log" / "log.db"):
        document = json.loads(value)
        uid = document.get("objectuid", "")
        if uid in versions and document["resourceversion"] == versions[uid] and document["data"]:
            found[uid] = document["data"]
    return found


def different(recorded: Any, live: Any, path: str = "") -> set[str]:
    """The paths at which a record differs from the live object, but for what it hides."""
    if isinstance(recorded, dict) and isinstance(live, dict):
        # Items of a list carry neither; the line puts them in front.
        names = (recorded.keys() | live.keys()) - (set() if path else {"kind", "apiVersion"})
        return {
            one
            for name in names
            for one in different(recorded.get(name), live.get(name), f"{path}.{name}")
        }
    if isinstance(recorded, list) and isinstance(live, list) and len(recorded) == len(live):
        pairs = enumerate(zip(recorded, live, strict=True))
        return {one for n, (mine, its) in pairs for one in different(mine, its, f"{path}[{n}]")}
    return set() if recorded == live or _is_hidden(recorded, live, path) else {path}


def _is_hidden(recorded: Any, live: Any, path: str) -> bool:
    """A password, or kubectl's copy of the manifest, which may hold one."""
    return str(recorded).startswith("redacted:") and (
        CANARY in str(live) or path.endswith("/last-applied-configuration")
    )
