"""The files of a report: safe to open, whole or not there, readable in a browser and on paper."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from ledger.cli import run
from ledger.errors import LedgerError
from ledger.reader import LocalReader
from ledger.report.bundle import MANIFEST, NAMES, files_of, safe, write
from ledger.report.collect import Period, Report, collect
from tests.line import environment
from tests.recorded import folded, values_of
from tests.web_ledger import at, written

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = '"><script>alert(1)</script><img src="http://example.com/x">&'
PARTS = """html head meta link title style body header h1 h2 p br ul li b table caption thead tbody
tr th td span section"""
FORMULA = '=HYPERLINK("http://example.com","click")'


@pytest.fixture(scope="module")
def ledger(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folded(values_of(demo), tmp_path_factory.mktemp("report") / "ledger.db")


@pytest.fixture
def report(ledger: Path) -> Report:
    return collect(LocalReader(ledger), Period())


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    """A report of what somebody wrote who means harm."""
    reasons = ({"reason": FORMULA}, {"summary": HOSTILE, "change_cause": HOSTILE}, {"ticket": "-1"})
    path = written(tmp_path / "hostile.db", [{"change_cause_state": "fresh"} | r for r in reasons])
    return collect(LocalReader(path), Period())


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx", " =1", '"=1', "' =1",
        "\u00a0=1", "\ufeff=1", "＝1", "  \t-1",
        "\x00=1", "\u200b=1", "\u2060\x00 @x", "\u202e+1", "\x7f-1",
    ],
)  # fmt: skip
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["CHG-1", "a=1", "1-2", "x", "image web:1 → 2", "'quoted'", " x", "\x00x", "\u200bx=1"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_numbers_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    assert (safe(-1), safe(1.5), safe(None)) == (-1, 1.5, "")


def test_a_formula_somebody_wrote_is_text_in_the_csv_and_itself_in_the_json(
    hostile: Report,
) -> None:
    files = files_of(hostile)
    table = csv.DictReader(io.StringIO(files["changes.csv"].content.decode("utf-8-sig")))
    cells = [value for row in table for value in row.values()]
    assert not [value for value in cells if value.lstrip(" '\"").startswith(("=", "+", "@"))
                and not value.startswith("'")]  # fmt: skip
    assert f"'{FORMULA}" in cells
    assert "'-1" in cells
    told = [json.loads(line) for line in files["changes.jsonl"].content.decode().splitlines()]
    assert [row["reason"] for row in told] == [FORMULA, None, None]


def test_the_page_is_one_file_without_scripts_or_references(
    report: Report, hostile: Report
) -> None:
    for each in (report, hostile):
        page = files_of(each)["report.html"].content.decode()
        tags = re.findall(r"<([a-z]\w*)([^>]*)>", page)
        assert {name for name, _ in tags} <= set(PARTS.split())
        written = [attributes for _, attributes in tags]
        found = {name for each in written for name in re.findall(r'([\w-]+)="', each)}
        assert found <= {"class", "scope", "data-label", "lang", "charset", "name", "content"} | {
            "rel",
            "href",
        }
        assert [value for each in written for value in re.findall(r'href="(.*?)"', each)] == [
            "data:,"
        ]
        assert "url(" not in page
        assert "@import" not in page
    assert page.count("&lt;script&gt;") >= 2


def test_a_report_is_written_over_an_earlier_one_and_nothing_else(
    report: Report, hostile: Report, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "out"
    write(hostile, folder)
    files = write(report, folder)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        name: file.content for name, file in files.items()
    }
    (folder / "minutes.txt").write_text("mine")
    with pytest.raises(LedgerError, match=r"holds something else: minutes\.txt"):
        write(report, folder)
    assert (folder / "minutes.txt").read_text() == "mine"
    assert (folder / MANIFEST).exists()


def test_a_link_or_a_folder_by_one_of_its_names_is_not_its_own(
    report: Report, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere.csv"
    target.write_text("mine")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "changes.csv").symlink_to(target)
    (tmp_path / "nested" / "report.html").mkdir(parents=True)
    for folder in (linked, tmp_path / "nested"):
        with pytest.raises(LedgerError, match="holds something else"):
            write(report, folder)
    assert target.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told_in_a_line(
    ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "out")
    assert run(["report", "changes", "--ledger", str(ledger), "--out", out]) == 1
    assert capsys.readouterr().err == f"error: {out} cannot be written: Not a directory\n"


def command(ledger: Path, folder: Path) -> list[str]:
    return ["report", "changes", "--ledger", str(ledger), "--out", str(folder)]


def test_a_full_disk_leaves_the_report_that_was_there(ledger: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert run([*command(ledger, folder), "-n", "data"]) == 0
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "ledger", *command(ledger, folder)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000)),
    )
    assert (done.returncode, done.stderr) == (
        1,
        f"error: {folder} cannot be written: File too large\n",
    )
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


KILLED = """
import os, sys
from ledger.cli import run
left = int(sys.argv[1])
def hook(event, arguments):
    global left
    if event in ("os.rename", "os.remove", "os.mkdir") and "out" in str(arguments[0]):
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(hook)
sys.exit(run(sys.argv[2:]))
"""


def test_a_killed_run_leaves_no_folder_that_looks_whole(
    ledger: Path, report: Report, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    whole = {name: file.content for name, file in files_of(report).items()}
    assert run([*command(ledger, folder), "-n", "data"]) == 0
    earlier = {each.name: each.read_bytes() for each in folder.iterdir()}
    ended = []
    for left in range(30):
        arguments = [sys.executable, "-c", KILLED, str(left), *command(ledger, folder)]
        done = subprocess.run(
            arguments, env=environment(), capture_output=True, timeout=60, check=False
        )
        ended.append(done.returncode)
        found = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
        assert MANIFEST not in found or found in (earlier, whole), left
        if done.returncode == 0:
            break
    assert ended == [9] * (len(ended) - 1) + [0]
    assert len(ended) > len(NAMES)
    assert {each.name for each in folder.iterdir()} == set(NAMES)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("ROLLOUT_LEDGER_REQUIRE_REAL"),
    reason="no Chromium at /usr/bin/chromium",
)
def test_the_page_fits_a_screen_a_telephone_and_paper(
    report: Report, hostile: Report, tmp_path: Path, browser: Browser
) -> None:
    long = tmp_path / "long.db"
    written(long, [{"summary": f"image {'x' * 300}", "reason": "y" * 300, "observed_at": at(1)}])
    reports = {"demo": report, "hostile": hostile, "long": collect(LocalReader(long), Period())}
    said: list[str] = []
    for name, each in reports.items():
        write(each, tmp_path / name)
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: said.append(request.url))
            address = (tmp_path / name / "report.html").as_uri()
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            assert page.get_by_text("To look at").first.is_visible()
            page.close()
            assert set(said) <= {address, "data:,"}
            said.clear()
    page = browser.new_page()
    page.goto((tmp_path / "demo" / "report.html").as_uri())
    paper = page.pdf(prefer_css_page_size=True)
    assert re.search(rb"/MediaBox \[0 0 84[0-9.]+ 59[0-9.]+\]", paper)
    assert 3 <= len(re.findall(rb"/Type /Page\b", paper)) <= 8
    page.close()
