"""The data dictionary names only what is there, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.dictionary import ALL, Entry
from ledger.store import Ledger
from tests.web_ledger import columns_of, opened


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dictionary") / "ledger.db"
    Ledger.open(path).close()
    return path


@pytest.mark.parametrize(("name", "entry"), ALL.items(), ids=str)
def test_labels_facets_and_order_are_columns(name: str, entry: Entry, empty: Path) -> None:
    with opened(empty) as connection:
        columns = set(columns_of(connection, name))
    told = {entry.label_column, entry.sort_desc, *entry.facets} - {""}
    assert told <= columns


@pytest.mark.parametrize(("name", "entry"), ALL.items(), ids=str)
def test_every_description_says_something(name: str, entry: Entry) -> None:
    assert entry.description.endswith(".")
    for column, meaning in entry.columns.items():
        assert meaning.strip(), column
        assert meaning.replace("_", " ").lower() != column.replace("_", " "), column


def test_internal_tables_are_hidden() -> None:
    hidden = {name for name, entry in ALL.items() if entry.is_hidden}
    assert hidden == {"_sqlite_migrations", "snapshot_members", "progress"}


def test_every_table_that_others_point_to_has_a_label(empty: Path) -> None:
    with opened(empty) as connection:
        tables = [name for name in ALL if ALL[name].columns]
        pointed_to = {
            key[2]
            for table in tables
            for key in connection.execute(f"pragma foreign_key_list({table})")
        }
    ours = {"workloads", "templates", "objects", "instances", "pod_runs", "specs", "actions"}
    assert pointed_to == ours
    assert all(ALL[name].label_column for name in pointed_to)
