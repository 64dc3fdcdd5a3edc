"""The way in for everyone who only reads: named queries against a ledger file, or a Datasette that
serves one.

Imports nothing heavy: `history` has 100 ms. A file is opened read-only and never locked for long;
each query is one short read transaction, unless several are asked for of one state.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from ledger import sql
from ledger.disk import UNREADABLE
from ledger.errors import LedgerUnusable, UsageError

APPLICATION_ID = 0x524C4447
PAGE_ROWS = 1_000

Rows = list[dict[str, Any]]


class LedgerReader(Protocol):
    """A ledger that can be asked questions."""

    def query(self, name: str, parameters: Mapping[str, str]) -> Rows:
        """All rows of a named query. Parameters left out are empty, which means "not given".

        Raises UsageError for a query or parameter that does not exist, LedgerUnusable when there is
        no answer.
        """

    def log_head(self) -> int | None:
        """The last position of the log behind the ledger; None where it is not at hand."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it all queries of a file see one state; a served ledger may go on meanwhile."""


def open_reader(address: str, *, token: str = "", log: Path | None = None) -> LedgerReader:
    """A reader for a ledger file and the log.db it was folded from, or for the address of a
    Datasette database (`https://host/ledger`).

    Raises LedgerUnusable for what is missing, unreadable or not a ledger.
    """
    if address.startswith(("http://", "https://")):
        return RemoteReader(address.rstrip("/"), token)
    return LocalReader(Path(address), log)


class LocalReader:
    """A ledger file, opened read-only."""

    def __init__(self, path: Path, log: Path | None = None) -> None:
        if not path.exists():
            raise LedgerUnusable(
                f"there is no ledger at {path}",
                hint="`rollout-ledger demo` makes one to look at; "
                "`rollout-ledger serve` records your cluster",
            )
        self.path = path
        self._log = log
        try:
            self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            mark = self._connection.execute("pragma application_id").fetchone()[0]
        except UNREADABLE as wrong:
            raise LedgerUnusable(
                f"{path} cannot be read: {wrong}",
                hint="check that it is a ledger file and that you may read it and write its folder",
            ) from wrong
        if mark != APPLICATION_ID:
            raise LedgerUnusable(
                f"{path} is not a Rollout Ledger ledger",
                hint="name another file with --ledger or another folder with --data",
            )
        self._connection.row_factory = sqlite3.Row

    def query(self, name: str, parameters: Mapping[str, str]) -> Rows:
        """As LedgerReader.query."""
        asked = _filled(sql.load(name), parameters)
        try:
            return [dict(row) for row in self._connection.execute(sql.load(name).sql, asked)]
        except UNREADABLE as wrong:
            raise LedgerUnusable(
                f"{self.path} cannot answer {name}: {wrong}",
                hint="`rollout-ledger rebuild` makes the ledger anew from the log",
            ) from wrong

    def log_head(self) -> int | None:
        """As LedgerReader.log_head."""
        if self._log is None:
            return None
        address = f"{self._log.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True)) as log:
                (head,) = log.execute("select max(position) from records").fetchone()
        except UNREADABLE:
            # Reading the ledger may go on where the log may not be read, or is being made.
            return None
        return -1 if head is None else int(head)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """As LedgerReader.snapshot."""
        self._connection.execute("begin")
        try:
            yield
        finally:
            self._connection.rollback()


class RemoteReader:
    """A ledger served by Datasette, over HTTP."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token

    def query(self, name: str, parameters: Mapping[str, str]) -> Rows:
        """As LedgerReader.query; a truncated answer is paged, never taken for whole."""
        question = sql.load(name)
        asked = _filled(question, parameters)
        rows, truncated = self._page(name, asked)
        if not truncated:
            return rows
        if "offset" not in question.parameters or asked.get("limit"):
            raise LedgerUnusable(
                f"{self._address} cuts the answer to {name} short",
                hint="ask for less, or raise max_returned_rows there",
            )
        whole: Rows = []
        while rows:
            page = asked | {"limit": str(PAGE_ROWS), "offset": str(len(whole))}
            rows, _ = self._page(name, page)
            whole += rows
        return whole

    def log_head(self) -> int | None:
        """As LedgerReader.log_head: a log is never served."""
        return None

    def snapshot(self) -> AbstractContextManager[None]:
        """As LedgerReader.snapshot."""
        return nullcontext()

    def _page(self, name: str, asked: Mapping[str, str]) -> tuple[Rows, bool]:
        answer = self._get(name, asked)
        if not isinstance(answer, dict) or not isinstance(answer.get("rows"), list):
            raise LedgerUnusable(
                f"{self._address} does not answer like a ledger",
                hint="the address is that of the database page, such as https://host/ledger",
            )
        return answer["rows"], bool(answer.get("truncated"))

    def _get(self, name: str, asked: Mapping[str, str]) -> Any:
        from urllib.error import HTTPError, URLError
        from urllib.parse import urlencode
        from urllib.request import Request, urlopen

        address = f"{self._address}/{name}.json?{urlencode({**asked, '_shape': 'objects'})}"
        request = Request(address)  # noqa: S310 - open_reader lets http and https through only
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)
        except HTTPError as wrong:
            hint = "give a token with --token" if wrong.code in (401, 403) else ""
            raise LedgerUnusable(f"{self._address} answers {wrong.code}", hint=hint) from wrong
        except (URLError, TimeoutError, ValueError, OSError) as wrong:
            reason = getattr(wrong, "reason", wrong)
            raise LedgerUnusable(f"{self._address} does not answer: {reason}") from wrong


def _filled(question: sql.Query, parameters: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(parameters) - set(question.parameters))
    if unknown:
        known = ", ".join(question.parameters) or "none"
        raise UsageError(
            f'query "{question.name}" has no parameter "{unknown[0]}"',
            hint=f"its parameters: {known}",
        )
    return {name: str(parameters.get(name, "")) for name in question.parameters}
