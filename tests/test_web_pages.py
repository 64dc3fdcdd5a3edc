"""What Datasette's pages of a ledger say, and what other databases beside it keep."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette
from datasette.plugins import pm
from markupsafe import escape

from ledger import datasette_plugin, sql
from ledger.dictionary import ALL
from ledger.web import SETTINGS, START_HERE
from tests.recorded import folded, values_of
from tests.web_ledger import served, written


@pytest.fixture(scope="module")
def ledger(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # A name that means something in a URI: the file is opened by its path, whatever that is.
    return folded(values_of(demo), tmp_path_factory.mktemp("pages") / "my 50%#?.db")


@pytest.fixture
async def datasette(ledger: Path) -> AsyncIterator[Any]:
    async with served(ledger) as it:
        yield it


async def page(datasette: Any, path: str) -> str:
    answer = await datasette.client.get(path)
    assert answer.status_code == 200, path
    return str(answer.text)


@pytest.mark.parametrize("question", sql.questions(), ids=lambda each: each.name)
async def test_a_question_tells_what_to_fill_in_and_what_its_columns_mean(
    question: sql.Query, datasette: Any
) -> None:
    text = await page(datasette, f"/ledger/{question.name}")
    assert f">{escape(question.title)}" in text
    assert "rl-about" in text
    for name in [*question.parameters, *question.columns]:
        assert f"<dt>{name}</dt>" in text


@pytest.mark.parametrize("question", sql.questions(), ids=lambda each: each.name)
async def test_a_question_is_also_json_with_every_column(
    question: sql.Query, datasette: Any
) -> None:
    answer = await datasette.client.get(f"/ledger/{question.name}.json?_shape=objects")
    assert answer.json()["columns"] == list(question.columns)
    assert answer.json()["truncated"] is False


@pytest.mark.parametrize("name", ALL)
async def test_a_table_tells_what_its_columns_mean(name: str, datasette: Any) -> None:
    text = await page(datasette, f"/ledger/{name}")
    for column in ALL[name].columns:
        assert f"<dt>{column}</dt>" in text


async def test_the_front_page_leads_to_pages_that_open(datasette: Any) -> None:
    text = await page(datasette, "/")
    for path, title, _ in START_HERE:
        assert f">{title}</a>" in text
        await page(datasette, f"/ledger/{path}")
    for menu in re.findall(r'<li><a href="(/ledger/[^"]+)"', text):
        await page(datasette, menu.replace("&amp;", "&"))


async def test_internal_tables_are_out_of_the_way(datasette: Any) -> None:
    tables = (await datasette.client.get("/ledger.json")).json()["tables"]
    hidden = {table["name"] for table in tables if table["hidden"]}
    assert hidden == {"_sqlite_migrations", "snapshot_members", "progress"}


async def test_the_settings_are_those_of_the_design(datasette: Any) -> None:
    told = (await datasette.client.get("/-/settings.json")).json()
    assert {name: told[name] for name in SETTINGS} == SETTINGS


async def test_datasette_default_download_is_off(datasette: Any) -> None:
    assert (await datasette.client.get("/ledger.db")).status_code == 403


async def test_a_slow_question_is_stopped(datasette: Any) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select max(x) from n"
    answer = await datasette.client.get(
        "/ledger.json", params={"sql": endless, "_timelimit": "100"}
    )
    assert answer.status_code == 400
    assert "Interrupted" in answer.json()["title"]


async def test_neither_a_question_nor_the_process_itself_can_write(datasette: Any) -> None:
    database = datasette.get_database("ledger")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.execute_write("delete from revisions")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.execute("insert into rejects values (1, '', 1, '')")


async def test_a_mistyped_address_prints_nothing(
    datasette: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (await datasette.client.get("/nowhere")).status_code == 404
    assert capfd.readouterr() == ("", "")


async def test_scripts_are_named_by_their_digest(datasette: Any) -> None:
    answer = await datasette.client.get("/ledger/revisions")
    (scripts,) = re.findall(r"script-src ([^;]+);", answer.headers["content-security-policy"])
    assert "unsafe-inline" not in scripts
    assert scripts.count("sha256-") == 4


async def test_robots_are_told_to_stay_out(datasette: Any) -> None:
    assert await page(datasette, "/robots.txt") == "User-agent: *\nDisallow: /\n"


async def test_a_hostile_cluster_writes_no_markup(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script>"
    row = {"trigger": "create", "change_cause": attack, "change_cause_state": "stale"}
    path = written(tmp_path / "ledger.db", [row | {"summary": attack, "name": attack}])
    async with served(path) as datasette:
        for address in ("/ledger/history", "/ledger/revisions", "/ledger/stale_causes"):
            text = await page(datasette, address)
            assert attack not in text
            assert "&lt;script&gt;alert(1)" in text


async def test_databases_beside_a_ledger_are_left_alone(ledger: Path, tmp_path: Path) -> None:
    if not pm.is_registered(datasette_plugin):
        pm.register(datasette_plugin, name="rollout_ledger")
    books = tmp_path / "ledger.db"
    with sqlite3.connect(books) as connection:
        connection.execute("create table entries (uid text, observed_at text)")
        connection.execute("insert into entries values ('u-1', '2026-11-23T10:00:00Z')")
    connection.close()
    datasette = Datasette([str(books), str(_plain_copy(ledger, tmp_path))])
    await datasette.invoke_startup()
    answer = await datasette.client.get("/ledger/entries")
    assert "<time" not in answer.text
    assert "rollout-ledger" not in answer.text
    assert "x-frame-options" not in answer.headers
    assert (await datasette.client.get("/ledger/history")).status_code == 404
    await datasette.get_database("ledger").execute_write("insert into entries values ('', '')")
    ours = await datasette.client.get("/rollouts/history?namespace=shop&name=web")
    assert "rl-state" in ours.text
    assert 'href="/rollouts/history?namespace=shop&amp;name=web"' in ours.text
    for database in datasette.databases.values():
        database.close()
    datasette.executor.shutdown()


def _plain_copy(ledger: Path, folder: Path) -> Path:
    with sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True) as connection:
        connection.execute("vacuum into ?", (str(folder / "rollouts.db"),))
    connection.close()
    return folder / "rollouts.db"
