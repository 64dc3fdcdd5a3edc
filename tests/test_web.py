"""Datasette shows a ledger read-only, described, and within limits."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import sql
from ledger.dictionary import ALL, TABLES
from ledger.errors import ConfigurationInvalid, LedgerUnusable, UsageError
from ledger.web import build_datasette, refuse_open_host, serve
from tests.recorded import folded, values_of


@pytest.fixture(scope="session")
def demo_ledger(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folded(values_of(demo), tmp_path_factory.mktemp("web") / "ledger.db")


@pytest.fixture
async def datasette(demo_ledger: Path) -> Any:
    served = build_datasette(demo_ledger)
    await served.invoke_startup()
    yield served
    for database in served.databases.values():
        database.close()
    served.executor.shutdown()


@pytest.fixture
def connection(demo_ledger: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(f"{demo_ledger.as_uri()}?mode=ro", uri=True)
    yield opened
    opened.close()


def test_every_table_view_and_column_is_described(connection: sqlite3.Connection) -> None:
    names = connection.execute(
        "select name from sqlite_master where type in ('table', 'view')"
    ).fetchall()
    assert {name for (name,) in names} == set(ALL)
    for (name,) in names:
        columns = [row[1] for row in connection.execute(f"pragma table_info({name})")]
        assert columns == list(ALL[name].columns), name
        assert all(ALL[name].columns.values()), name


@pytest.mark.parametrize("question", sql.questions(), ids=lambda each: each.name)
def test_every_question_answers_with_the_columns_it_announces(
    question: sql.Query, connection: sqlite3.Connection
) -> None:
    assert question.title
    assert question.description
    cursor = connection.execute(question.sql, dict.fromkeys(question.parameters, ""))
    assert [column[0] for column in cursor.description] == list(question.columns)


async def test_every_page_opens_with_its_description_and_safe_headers(datasette: Any) -> None:
    pages = ["/", "/ledger", *(f"/ledger/{name}" for name in ALL)]
    pages += [f"/ledger/{each.name}" for each in sql.questions()]
    for page in pages:
        answer = await datasette.client.get(page)
        assert answer.status_code == 200, page
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    for name, entry in TABLES.items():
        if name not in {each.name for each in sql.questions()}:
            answer = await datasette.client.get(f"/ledger/{name}")
            assert entry.description[:40].replace("'", "&#39;") in answer.text


async def test_a_workload_is_a_name_and_a_template_can_be_opened(datasette: Any) -> None:
    revisions = (await datasette.client.get("/ledger/revisions")).text
    assert ">shop/web</a>" in revisions
    templates = (await datasette.client.get("/ledger/templates")).text
    assert '<details class="rl-template"><summary>' in templates


async def test_history_as_json_is_what_the_command_reads(datasette: Any) -> None:
    address = "/ledger/history.json?namespace=shop&name=web&_shape=array"
    rows = (await datasette.client.get(address)).json()
    assert [row["number"] for row in rows] == list(range(12, 0, -1))


async def test_datasette_1_0a_writes_reach_nothing(datasette: Any) -> None:
    for statement in ("delete from revisions", "create table t (x)", "pragma user_version = 3"):
        answer = await datasette.client.get("/ledger.json", params={"sql": statement})
        assert answer.status_code == 400, statement
    with pytest.raises(sqlite3.OperationalError):
        await datasette.get_database("ledger").execute("insert into rejects values (1,'',1,'')")


async def test_datasette_time_limit_bounds_no_memory_so_a_bomb_is_refused(datasette: Any) -> None:
    bomb = "select hex(randomblob(4e8))"
    answer = await datasette.client.get("/ledger.json", params={"sql": bomb})
    assert (answer.status_code, answer.json()["error"]) == (400, "string or blob too big")


@pytest.mark.parametrize("path", ["/\\example.com", "/%5Cexample.com", "/ledger%5c"])
async def test_datasette_2680_a_backslash_in_a_path_is_no_page(datasette: Any, path: str) -> None:
    assert (await datasette.client.get(path)).status_code == 404


async def test_datasette_2024_a_live_wal_shows_new_rows_without_a_restart(
    demo: Path, tmp_path: Path
) -> None:
    path = folded(values_of(demo)[:200], tmp_path / "ledger.db")
    served = build_datasette(path)
    await served.invoke_startup()
    count = "/ledger.json?sql=select+count(*)+as+n+from+observations&_shape=array"
    before = (await served.client.get(count)).json()[0]["n"]
    folded(values_of(demo)[:400], path)
    assert (await served.client.get(count)).json()[0]["n"] == before + 200
    served.get_database("ledger").close()
    served.executor.shutdown()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
def test_a_host_that_others_can_reach_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="nobody is asked for a password"):
        refuse_open_host(host)


def test_a_port_that_is_taken_is_one_line(demo_ledger: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationInvalid, match="Address already in use") as refused:
            serve(demo_ledger, host="127.0.0.1", port=taken.getsockname()[1])
    assert refused.value.hint == "choose another with --port"


def test_what_is_no_ledger_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnusable, match="there is no ledger"):
        serve(tmp_path / "none.db", host="127.0.0.1", port=0)
