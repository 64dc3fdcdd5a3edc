"""How an answer leaves the command line: in the format asked for, with its freshness."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ledger import render
from ledger.freshness import HISTORY_NEEDS, Freshness, freshness, unwatched
from ledger.model import utc_now
from ledger.reader import LedgerReader, open_reader
from ledger.settings import Settings
from ledger.summary import plain

STALE_EXIT = 3
GUTTER = 2
"""The space between two columns."""

NARROWEST = 16
"""A last column narrower than this is no longer read as lines of words."""


PHASES = {
    "complete": "✓",
    "superseded": "~",
    "undone": "↩",
    "open": "…",
    "progressing": "…",
    "staged": "…",
    "settling": "…",
    "stalled": "✗",
    "deleted": "~",
}
"""The sign of each phase of a rollout, beside its word."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a human table: its header, and how it may be drawn."""

    header: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Screen:
    """Whom we talk to: a terminal with colours, or a pipe."""

    is_terminal: bool
    width: int

    @classmethod
    def of(cls, color: str) -> Screen:
        """What --color, NO_COLOR, FORCE_COLOR and the terminal itself say."""
        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        if color == "never" or (os.environ.get("NO_COLOR") and color == "auto"):
            terminal = False
        elif color == "always" or os.environ.get("FORCE_COLOR"):
            terminal = True
        return cls(terminal, os.get_terminal_size().columns if sys.stdout.isatty() else 120)

    def fits(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, last: int = 40
    ) -> bool:
        """Whether a table is as narrow as the terminal, its last column shrunk to `last` characters
        at most; a pipe has room for everything.
        """
        widths = _widths(columns, rows)
        return not self.is_terminal or sum(widths[:-1]) + min(widths[-1], last) <= self.width

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, headers: bool = True
    ) -> None:
        """Print rows; on a terminal only the last column may shrink, in a pipe nothing is cut."""
        if self.is_terminal:
            _rich_table(self, columns, rows, headers=headers)
            return
        names = [column.header for column in columns] if headers else []
        click.echo(render.plain_table(names, [[plain(c) for c in row] for row in rows]), nl=False)

    def text(self, line: str, *, style: str = "") -> None:
        """Print one line, escaped; `style` is click's (bold, dim, fg)."""
        line = render.escape(line)
        if not self.is_terminal:
            click.echo(plain(line))
            return
        click.echo(click.style(line, **_STYLES.get(style, {})), color=True)


_STYLES: dict[str, dict[str, Any]] = {
    "title": {"bold": True},
    "dim": {"dim": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
}


def reader_of(settings: Settings) -> LedgerReader:
    """The ledger that the settings name."""
    # A ledger from elsewhere was folded from another log.
    log = settings.log_file if settings.log or not settings.ledger else None
    return open_reader(settings.ledger_address, token=settings.token, log=log)


def now_fresh(reader: LedgerReader, *, needs: Sequence[str] = HISTORY_NEEDS) -> Freshness:
    """How fresh the ledger is at this moment."""
    return freshness(reader, now=utc_now(), needs=needs)


def machine(
    output: str,
    kind: str,
    columns: Sequence[str],
    items: Sequence[dict[str, Any]],
    fresh: Freshness,
) -> bool:
    """Print items in a machine format; False when `output` is not one."""
    match output:
        case "json":
            text = render.to_json(kind, fresh.document(), items)
        case "yaml":
            text = render.to_yaml(render.document(kind, fresh.document(), items))
        case "jsonl":
            text = render.to_jsonl(items)
        case "csv":
            text = render.to_csv(columns, items)
        case _:
            return False
    click.echo(text, nl=False)
    return True


def close(fresh: Freshness, *, screen: Screen | None, must_be_fresh: bool) -> int:
    """The freshness line of human output, a warning when it is doubtful, and the exit code."""
    if screen is not None:
        screen.text(fresh.line(), style="dim")
    if fresh.is_doubtful and fresh.state != "empty":
        _warn(fresh)
    return STALE_EXIT if must_be_fresh and fresh.is_doubtful else 0


def warn_of_unwatched(
    reader: LedgerReader, needs: Sequence[str], namespaces: Collection[str], at: str
) -> None:
    """One line on stderr where nobody watched, at the time asked about, what the answer rests on;
    nothing without a time.
    """
    kinds = unwatched(reader, needs, namespaces, at=at, now=utc_now()) if at and namespaces else []
    if kinds:
        told = f"nobody watched {', '.join(kinds)} at that time: this is what was last seen"
        click.echo(f"warning: {told}", err=True)


def _warn(fresh: Freshness) -> None:
    """One line on stderr: what follows may be old."""
    if fresh.state == "stale":
        click.echo(
            f"warning: the recording is {fresh.line().removeprefix('Recording: ')}", err=True
        )
    else:
        click.echo(f"warning: the recording has a gap: {fresh.detail}", err=True)


def _rich_table(
    screen: Screen, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, headers: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=headers, pad_edge=False, padding=(0, GUTTER, 0, 0))
    widths = _widths(columns, rows)
    for index, column in enumerate(columns):
        last = index == len(columns) - 1
        table.add_column(
            column.header,
            style=column.style,
            no_wrap=not last,
            min_width=None if last else widths[index] - GUTTER,
            overflow="fold" if last else "ellipsis",
            header_style="dim",
        )
    for row in rows:
        table.add_row(*(Text(render.escape(cell), style=_cell_style(cell)) for cell in row))
    # Where even a narrow last column has no room the terminal breaks the lines: nothing is lost.
    has_room = sum(widths[:-1]) + min(widths[-1], NARROWEST) <= screen.width
    width = screen.width if has_room else sum(widths)
    Console(width=width, force_terminal=True, highlight=False).print(table)


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is, with the space that follows it."""
    return [
        max([len(row[index]) for row in rows] + [len(column.header)]) + GUTTER
        for index, column in enumerate(columns)
    ]


def _cell_style(cell: str) -> str:
    if cell.startswith("✓"):
        return "green"
    return "red" if cell.startswith("✗") else ""
