"""The one-machine product: one command records a cluster, keeps its ledger and serves it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import sync_playwright

from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.process import free_ports
from tests.lab.scenario import applied
from tests.lab.users import NOBODY, WATCHER
from tests.lab.workloads import Workload
from tests.line import Line, environment
from tests.recorded import folded, values_of

CHROMIUM = Path("/usr/bin/chromium")
PAGES = ("/", "/ledger", "/ledger/revisions", "/ledger/history?namespace=shop&name=web")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ledger", *arguments]


def answer(address: str, seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(address, timeout=5) as page:
                return str(page.read().decode())
        except (URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_serve_records_folds_serves_and_stops_cleanly(
    control_plane: Cluster, driver: Driver, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    data, kubeconfig = tmp_path / "data", control_plane.kubeconfig(WATCHER)
    arguments = command("serve", "--data", str(data), "--kubeconfig", str(kubeconfig))
    arguments += ["-n", driver.namespace, "--port", str(port)]
    line = Line(data, kubeconfig, driver.namespace)
    with subprocess.Popen(arguments, env=environment(), stderr=subprocess.PIPE, text=True) as tree:
        try:
            assert answer(f"http://127.0.0.1:{port}/-/readyz") == "ready\n"
            line.wait_until_recording()
            applied(driver, Workload("web", "nginx:1.24", replicas=1))
            driver.settled()
            line.wait_for(driver.live_versions())
            page = f"http://127.0.0.1:{port}/ledger/history.json?_shape=array&namespace="
            assert '"trigger": "create"' in answer(page + driver.namespace)
        finally:
            tree.send_signal(signal.SIGTERM)
            code = tree.wait(30)
        assert (code, tree.stderr.read() if tree.stderr else "") == (0, "")
    told = line.run("history", "sts/web", "-n", driver.namespace)
    assert "Recording: ended" in told


def test_serve_ends_with_the_part_that_failed(control_plane: Cluster, tmp_path: Path) -> None:
    nobody = str(control_plane.kubeconfig(NOBODY))
    (port,) = free_ports(1)
    done = subprocess.run(
        command("serve", "--data", str(tmp_path), "--kubeconfig", nobody, "--port", str(port)),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("Error from server (Forbidden)")


def test_doctor_finds_what_is_missing_and_what_is_well(
    control_plane: Cluster, tmp_path: Path
) -> None:
    def doctor(user: str) -> tuple[int, str]:
        kubeconfig = str(control_plane.kubeconfig(user))
        done = subprocess.run(
            command("doctor", "--data", str(tmp_path), "--kubeconfig", kubeconfig),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    code, told = doctor(WATCHER)
    assert code == 0, told
    for well in (
        "ok        rights on statefulsets",
        "ok        rights on events",
        "ok        disk",
    ):
        assert well in told
    assert "-> `rollout-ledger watch` or `serve` makes them on first start" in told
    code, told = doctor(NOBODY)
    assert code == 1
    assert "FAILED    cluster" in told


@pytest.mark.browser
def test_pages_open_in_a_browser_without_an_error(demo: Path, tmp_path: Path) -> None:
    if not CHROMIUM.exists() and not os.environ.get("ROLLOUT_LEDGER_REQUIRE_REAL"):
        pytest.skip("no Chromium at /usr/bin/chromium")
    path = folded(values_of(demo), tmp_path / "ledger.db")
    (port,) = free_ports(1)
    arguments = command("web", "--ledger", str(path), "--port", str(port))
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE) as web:
        try:
            answer(f"http://127.0.0.1:{port}/-/readyz")
            assert complaints(f"http://127.0.0.1:{port}") == []
        finally:
            web.terminate()
            assert web.wait(15) == 0


def complaints(address: str) -> list[str]:
    """What the browser's console says of the pages, and what they fail to load."""
    found: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: found.append(message.text))
        page.on("pageerror", lambda error: found.append(str(error)))
        for path in PAGES:
            response = page.goto(address + path)
            assert response is not None
            assert response.status == 200
        page.wait_for_selector("text=INC-2038")
        browser.close()
    return found
