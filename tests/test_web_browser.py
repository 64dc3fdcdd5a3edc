"""The pages in a real browser: no complaints, one screen wide, readable without a script."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ledger import sql
from ledger.dictionary import ALL
from tests.lab.process import free_ports
from tests.line import environment
from tests.recorded import folded, values_of

CHROMIUM = Path("/usr/bin/chromium")
WIDTHS = (1280, 390)
WEB = {"namespace": "shop", "name": "web", "label": "12", "image": "shop/web", "text": "web"}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists() and not os.environ.get("ROLLOUT_LEDGER_REQUIRE_REAL"),
        reason="no Chromium at /usr/bin/chromium",
    ),
]


@pytest.fixture(scope="module")
def address(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo's ledger, served."""
    path = folded(values_of(demo), tmp_path_factory.mktemp("browser") / "ledger.db")
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "ledger", "web", "--ledger", str(path), "--port", str(port)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as web:
        assert web.stdout
        assert "Serving" in web.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        web.terminate()
        assert web.wait(15) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()


def pages() -> list[str]:
    asked = {each.name: {p: WEB.get(p, "") for p in each.parameters} for each in sql.questions()}
    questions = [f"/ledger/{name}?{urlencode(values)}" for name, values in asked.items()]
    return ["/", "/ledger", *(f"/ledger/{name}" for name in ALL), *questions]


def widest(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_the_screen_and_the_console_stays_empty(
    width: int, address: str, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    for path in pages():
        answer = page.goto(address + path)
        assert answer is not None
        assert answer.status == 200, path
        assert widest(page) <= width, path
    page.close()
    assert said == []


def test_a_row_stands_upright(address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/ledger/templates/15")
    (header, value) = (box(page, "th.col-images"), box(page, "td.col-images"))
    assert header["y"] == value["y"]
    assert header["x"] < value["x"]
    page.close()


def test_all_columns_can_be_asked_for(address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/ledger/history?namespace=shop&name=web")
    wide, narrow = page.locator("td.col-workload_uid").first, page.locator("table").first
    assert not wide.is_visible()
    assert box(page, "table")["width"] <= 1280
    page.get_by_label("show every column").check()
    assert wide.is_visible()
    assert narrow.locator("thead th:visible").count() == len(sql.load("history").columns)
    page.close()


def test_no_script_is_needed_to_read(address: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/ledger/revision?namespace=shop&name=web&label=12")
    template = page.locator("details.rl-template")
    assert not template.locator("pre").is_visible()
    template.locator("summary").click()
    assert "shop/web:2.6.0" in template.locator("pre").inner_text()
    context.close()


def test_paper_shows_rows_and_no_forms(address: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{address}/ledger/history?namespace=shop&name=web")
    page.emulate_media(media="print")
    assert not page.locator("form").first.is_visible()
    assert not page.locator("header").first.is_visible()
    assert page.get_by_text("INC-2038").first.is_visible()
    page.close()


def test_a_script_that_is_not_datasettes_own_does_not_run(address: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{address}/ledger")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.stranger = true";
            document.body.append(script);
        }"""
    )
    assert page.evaluate("window.stranger") is None
    page.close()


def box(page: Page, selector: str) -> dict[str, Any]:
    found = page.locator(selector).first.bounding_box()
    assert found is not None
    return dict(found)
