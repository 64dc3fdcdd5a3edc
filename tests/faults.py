"""The fault matrix: which row each test stands for, how the fault was made, and which rows the
design has made moot.

`python -m tests.faults` prints docs/faults.md from the tests themselves: a row's result is what its
tests' names say. A test holds the page to the tests, and the tests to the matrix.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

Part = Literal["real", "fake"]
_Test = TypeVar("_Test", bound=Callable[..., Any])

TESTS = Path(__file__).parent


def row(number: str, *, how: str, part: Part) -> Callable[[_Test], _Test]:
    """Mark a test as one of a row's: how the fault was injected, and whether into the real part (an
    API server, a broker, a disk, a process) or into a stand-in for it."""

    def marked(test: _Test) -> _Test:
        name = test.__name__
        assert name.startswith(f"test_{_prefix(number)}_"), f"{name} does not begin with {number}"
        pytest.mark.row(number, how=how, part=part)(test)
        return test

    return marked


@dataclass(frozen=True)
class Tested:
    """One test of one row, as its source has it."""

    number: str
    how: str
    part: str
    result: str
    place: str


def tested() -> list[Tested]:
    """Every row-marked test of the tree, in the order of the rows."""
    found = [one for path in sorted(TESTS.rglob("test_*.py")) for one in _tests_of(path)]
    return sorted(found, key=lambda one: (_order(one.number), one.part != "real", one.place))


def page() -> str:
    """docs/faults.md."""
    by_row: defaultdict[str, list[Tested]] = defaultdict(list)
    for one in tested():
        by_row[one.number].append(one)
    lines = [_HEAD]
    for title, letters in _PARTS:
        lines += [f"## {title}", "", "| row | fault | injected | part | what held |"]
        lines.append("| --- | --- | --- | --- | --- |")
        for number, fault in ROWS.items():
            if number[0] == letters:
                lines += list(_lines(number, fault, by_row[number]))
        lines.append("")
    lines += ["## Moot", "", "| row | fault | why it cannot happen here |", "| --- | --- | --- |"]
    lines += [f"| {number} | {ROWS[number]} | {why} |" for number, why in MOOT.items()]
    return "\n".join(lines) + "\n"


def _lines(number: str, fault: str, tests: list[Tested]) -> Iterator[str]:
    for one in tests:
        yield f"| {number} | {fault} | {one.how} | {one.part} | {one.result} |"


def _tests_of(path: Path) -> Iterator[Tested]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "row":
                    yield _tested(node.name, call, path)


def _tested(name: str, call: ast.Call, path: Path) -> Tested:
    number = ast.literal_eval(call.args[0])
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    sentence = name.removeprefix(f"test_{_prefix(number)}_").replace("_", " ")
    place = f"{path.relative_to(TESTS.parent)}::{name}"
    return Tested(number, given["how"], given["part"], sentence, place)


def _prefix(number: str) -> str:
    letter, digits = number[0].lower(), int(number[1:])
    return f"{letter}{digits:02d}"


def _order(number: str) -> tuple[int, int]:
    return "WKCSUA".index(number[0]), int(re.sub(r"\D", "", number))


_HEAD = """\
# Faults, and what held

Every row of the fault matrix with the tests that stand for it: how the fault was injected, into the
real part or into a stand-in for it, and what was seen to hold. The page is made from the tests
(`make docs`), so a row without a test cannot stand here. After each of these tests one shared
checker (tests/invariants.py) looks at what was recorded:

- **I1** every acknowledged record is in the ledger
- **I2** no record counts twice
- **I3** an object's states are in the order of their resourceVersions
- **I4** position, rows and tree agree
- **I5** the tree recomputes from the log's bytes
- **I6** every jump of a generation and every hole in a watcher's count lies in a gap
- **I7** no planted secret in log, ledger or output
- **I8** no process hangs: it is healthy, or it ended
"""

_PARTS = (
    ("Watching", "W"),
    ("The log and Kafka", "K"),
    ("The consumer and its ledger", "C"),
    ("Storage", "S"),
    ("Undo", "U"),
    ("Attribution", "A"),
)

ROWS = {
    "W1": "410 inside a watch",
    "W2": "410 as HTTP status",
    "W3": "black-holed TCP",
    "W4": "connection reset inside a line",
    "W5": "end of file inside a line",
    "W6": "empty answers in a loop",
    "W7": "429 with Retry-After",
    "W8": "502 with HTML from a load balancer",
    "W9": "401 after a token expired",
    "W10": "403 on one kind",
    "W11": "service account token rotated on disk",
    "W12": "certificate authority rotated",
    "W13": "objects of 1.5, 5 and 20 MB",
    "W14": "fields nobody knows",
    "W15": "API server restarts",
    "W16": "watcher killed at any point",
    "W17": "watcher away, shorter and longer than history",
    "W18": "object deleted in a gap",
    "W19": "deleted and made again under its name, in a gap",
    "W20": "API server drops a change in silence",
    "W21": "API server drops a deletion in silence",
    "W22": "states repeated, the past replayed",
    "W23": "resourceVersion goes backwards (etcd restored)",
    "W24": "list page token expires",
    "W25": "WatchList refused",
    "W26": "WatchList without its end mark",
    "W27": "no bookmarks",
    "W28": "unknown line type, or no object",
    "W29": "two watchers at once",
    "W30": "lease API down",
    "W31": "watcher's clock wrong or jumping",
    "W32": "slow log, fast API",
    "W33": "redactor raises",
    "W34": "faults of the embedded log's file",
    "K1": "all brokers down while sending",
    "K2": "broker lost between append and acknowledgement",
    "K3": "late original after its retry",
    "K4": "too few replicas",
    "K5": "record larger than the broker takes",
    "K6": "compressible 8 MB object",
    "K7": "topic deleted or made again",
    "K8": "broker lost its tail",
    "K9": "tail lost and filled again",
    "K10": "retention took unread records",
    "K11": "acknowledged records vanish before they are read",
    "K12": "topic is compacted",
    "K13": "topic has two partitions",
    "K14": "record format of the future",
    "K15": "unknown attribute in a record",
    "K16": "poison: random bytes, bad zstd, cut, deep or doubled JSON",
    "K17": "foreign producer",
    "K18": "consumer stopped for an hour",
    "K19": "credentials of the broker expire",
    "K20": "segment with a flipped bit",
    "C1": "consumer killed at a system call",
    "C2": "EIO or ENOSPC at a system call",
    "C3": "disk full",
    "C4": "two consumers, one ledger",
    "C5": "stale consumer wakes up",
    "C6": "two consumers, two ledgers",
    "C7": "killed between commit and signed tree head",
    "C8": "killed while publishing",
    "C9": "migration killed half way",
    "C10": "states of one object out of order",
    "S1": "page zeroed, byte flipped",
    "S8": "WAL deleted, -shm corrupt, hot copy without WAL",
    "S9": "SQLite with the WAL-reset bug",
    "S10": "ledger on a network file system",
    "S11": "backup under load, restored",
    "U1": "object changed between dry run and patch",
    "U2": "command killed at any moment",
    "U3": "target revision pruned",
    "U4": "OrderedReady pod stuck on the bad revision",
    "U5": "partition, OnDelete",
    "U6": "claim templates or service differ",
    "U7": "claims were smaller then",
    "U8": "webhook without dry run",
    "U9": "managed by GitOps, Helm or an operator",
    "U10": "caller lacks the right",
    "A1": "audit events missing, truncated, or dropped in batches",
    "A2": "spoofed field manager, user agent, annotation or impersonation",
    "A3": "audit events before or after what they tell of, in any order",
}

MOOT = {
    "W25": "WatchList is never asked for: lists are paged quorum reads, so nothing can be refused",
    "W26": "as W25: a snapshot ends with its last page, never with a mark inside a watch",
    "W30": "there is no lease: two watchers may run side by side (W29)",
    "K17": "topics are guarded by Kafka's own access lists; what is no record of this cluster is a "
    "reject (K16)",
    "C7": "signed tree heads do not exist yet; the tree itself commits with its rows (C1)",
    "C8": "nothing is published beside the ledger: Datasette reads the ledger itself",
}

if __name__ == "__main__":
    print(page(), end="")
