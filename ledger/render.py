"""Rows as text: padded columns for pipes, kubectl's own tables, and the machine formats.

Pure; colours and terminal widths are the command line's. What comes from the cluster is escaped
before it reaches a terminal, and made safe for spreadsheets in CSV.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

GAP = "   "
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def plain_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell, three spaces apart, nothing cut."""
    lines = [[escape(cell) for cell in row] for row in ([headers, *rows] if headers else rows)]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = (
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return "\n".join(padded) + "\n"


def kubectl_history(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """What `kubectl rollout history` prints, byte for byte.

    The name printer puts the operation behind a space and a newline, so line 1 ends in a space;
    the table is a tab writer's: cells padded by two, the last one not (kubectl rollout_history.go,
    cli-runtime printers/name.go, Go text/tabwriter). An empty cause reads `<none>`, and one with
    line breaks is printed as it is.
    """
    if not rows:
        return f"statefulset.apps/{name} \nNo rollout history found.\n"
    causes = [(str(row["number"]), row["change_cause"] or "<none>") for row in rows]
    written = "".join(f"{number}\t{cause}\n" for number, cause in [_HEADER, *causes])
    return f"statefulset.apps/{name} \n{tabwriter(written)}\n"


_HEADER = ("REVISION", "CHANGE-CAUSE")


def tabwriter(text: str) -> str:
    """Go's text/tabwriter with minwidth 0, padding 2 and spaces: a column is a run of adjacent
    lines that have a cell (text ended by a tab) there; each run has a width of its own."""
    lines = [line.split("\t") for line in text.split("\n")]
    widths: list[list[int]] = [[0] * (len(cells) - 1) for cells in lines]
    for index, cells in enumerate(lines):
        for column in range(len(cells) - 1):
            if not widths[index][column]:
                _measure(lines, widths, index, column)
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(cells, row, strict=False)) + cells[-1]
        for cells, row in zip(lines, widths, strict=True)
    )


def _measure(
    lines: Sequence[Sequence[str]], widths: list[list[int]], start: int, column: int
) -> None:
    end = start
    while end < len(lines) and column < len(lines[end]) - 1:
        end += 1
    width = max(len(lines[at][column]) for at in range(start, end)) + 2
    for at in range(start, end):
        # A column in which every cell is empty takes no room (tabwriter's discardable columns).
        widths[at][column] = width


def to_json(kind: str, freshness: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> str:
    """A versioned list: apiVersion, kind, freshness, items."""
    return json.dumps(document(kind, freshness, items), indent=2, ensure_ascii=False) + "\n"


def document(
    kind: str, freshness: Mapping[str, Any], items: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What `-o json` and `-o yaml` print."""
    return {
        "apiVersion": "rollout-ledger/v1",
        "kind": f"{kind}List",
        "freshness": dict(freshness),
        "items": [dict(item) for item in items],
    }


def to_yaml(content: Any) -> str:
    """YAML, keys in the order given."""
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1_000)
    return text


def to_jsonl(items: Sequence[Mapping[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(dict(item), ensure_ascii=False) + "\n" for item in items)


def to_csv(columns: Sequence[str], items: Sequence[Mapping[str, Any]]) -> str:
    """CSV with a header, safe to open in a spreadsheet: what would be a formula gets a quote."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(item[column]) for column in columns] for item in items)
    return text.getvalue()


def escape(text: str) -> str:
    """Control characters, line breaks and escape sequences made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text
