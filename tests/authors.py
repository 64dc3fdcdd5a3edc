"""What a ledger says of authors, held against the book of who really did what."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.lab.book import Book, Who
from tests.lab.recording import book_of
from tests.real import answer

KUBERNETES = ("system:serviceaccount:kube-system:", "system:kube-", "system:node:")


class Change(NamedTuple):
    """A spec write by its generation, or a deletion."""

    uid: str
    what: str
    generation: int = 0


class Author(NamedTuple):
    """Whom a ledger names, and on what basis."""

    who: Who
    basis: str


@dataclass
class Told:
    """The changes of a book by the basis on which the ledger names their authors, and each that it
    credits to somebody else.
    """

    by_basis: Counter[str] = field(default_factory=Counter)
    unnamed: list[Change] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def changes_of(book: Book) -> dict[Change, Who]:
    """What a book holds."""
    writes = {Change(uid, "write", number): who for (uid, number), who in book.writes.items()}
    return writes | {Change(uid, "deletion"): who for uid, who in book.deletions.items()}


def recorded_changes(recording: Path) -> dict[Change, Who]:
    """What the book beside a recording holds."""
    raw = json.loads(book_of(recording).read_text("utf-8"))
    writes = {Change(uid, "write", number): Who(*who) for uid, number, *who in raw["writes"]}
    return writes | {Change(uid, "deletion"): Who(*who) for uid, *who in raw["deletions"]}


def authors(ledger: Path) -> dict[Change, Author]:
    """Whom a ledger names, for everything it names anybody for."""
    rows = answer(ledger, "select uid, what, generation, actor, impersonated, basis from authors")
    return {
        Change(uid, what, generation): Author(Who(actor, impersonated), basis)
        for uid, what, generation, actor, impersonated, basis in rows
    }


def told(found: Mapping[Change, Author], expected: Mapping[Change, Who]) -> Told:
    """Every change of a book as the ledger has it, and that nothing else has a person's name."""
    result = Told()
    for change, who in expected.items():
        author = found.get(change)
        if author is None or author.basis == "claimed":
            result.unnamed.append(change)
        elif author.who == who:
            result.by_basis[author.basis] += 1
        else:
            result.wrong.append(f"{change}: {author}, not {who}")
    for change in found.keys() - expected.keys():
        who, basis = found[change]
        if basis != "claimed" and not who.user.startswith(KUBERNETES):
            result.wrong.append(f"{change}: {who} {basis}, but it was nobody's")
    return result
