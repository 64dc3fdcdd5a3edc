"""The driver's own record of who did what, kept as it happens.

It notes who ran a command and what the API held before and after it, and nothing of what the
command was called, so what a ledger says about authors can be held against it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.lab.driver import Driver
from tests.lab.operator import Operator
from tests.lab.settling import Raw
from tests.lab.users import OPERATOR

CONTENT_SECONDS = 20.0
COUNTED = ("dry run", "no-op", "refused", "collection")


@dataclass(frozen=True)
class Who:
    """Who really asked, and as whom."""

    user: str
    impersonated: str = ""

    def options(self) -> tuple[str, ...]:
        """kubectl's options for it."""
        return (f"--as={self.impersonated}",) if self.impersonated else ()


@dataclass
class Book:
    """Runs commands and keeps: who wrote which generation of which set, and who deleted what."""

    driver: Driver
    operator: Operator
    deletions: dict[str, Who] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    _asked: dict[tuple[str, int], Who] = field(default_factory=dict)
    _scaled: set[tuple[str, int]] = field(default_factory=set)

    @property
    def writes(self) -> dict[tuple[str, int], Who]:
        """Who wrote which generation, the operator's own among them."""
        return self._asked | dict.fromkeys(self.operator.writes, Who(OPERATOR))

    @property
    def scales(self) -> set[tuple[str, int]]:
        """Those of the writes that went through the scale subresource."""
        return self._scaled - self.operator.writes

    def do(self, who: Who, *arguments: str, stdin: str = "", deletes: str = "") -> None:
        """Run a command that changes something; `deletes` names the kind it deletes."""
        self.act(
            who,
            lambda: self.driver.run(*arguments, *who.options(), user=who.user, stdin=stdin),
            deletes=deletes,
            scales=arguments[0] == "scale",
        )

    def act(
        self, who: Who, act: Callable[[], object], *, deletes: str = "", scales: bool = False
    ) -> None:
        """Do something that changes something, and note it."""
        before = self._generations()
        gone = self._uids(deletes) if deletes else {}
        act()
        self._await_operator()
        for uid, generation in self._generations().items():
            for each in range(before.get(uid, 0) + 1, generation + 1):
                self._asked[uid, each] = who
                if scales:
                    self._scaled.add((uid, each))
        left = self._uids(deletes) if deletes else {}
        for uid, is_going in gone.items():
            if not is_going and left.get(uid, True):
                self.deletions[uid] = who

    def nothing(self, what: str, who: Who, *arguments: str, stdin: str = "") -> None:
        """Ask for something that changes nothing: a dry run, a no-op, or what is refused."""
        before = self._generations()
        self.driver.attempt(*arguments, *who.options(), user=who.user, stdin=stdin)
        assert self._generations() == before, arguments
        self.counts[what] += 1

    def told(self) -> str:
        """The book as JSON: what a recording keeps of it."""
        writes = [[*key, who.user, who.impersonated] for key, who in self.writes.items()]
        deletions = [[uid, who.user, who.impersonated] for uid, who in self.deletions.items()]
        return json.dumps({"writes": writes, "deletions": deletions}, indent=0) + "\n"

    def _await_operator(self) -> None:
        deadline = time.monotonic() + CONTENT_SECONDS
        while not self.operator.is_content(self._items("statefulsets")):
            assert time.monotonic() < deadline, "the operator never rests"
            time.sleep(0.02)

    def _generations(self) -> dict[str, int]:
        # What is being deleted in the foreground has a new generation by that alone.
        return {
            row["metadata"]["uid"]: row["metadata"]["generation"]
            for row in self._items("statefulsets")
            if "deletionTimestamp" not in row["metadata"]
        }

    def _uids(self, kind: str) -> dict[str, bool]:
        """The objects of a kind, and whether they are on their way out."""
        return {
            row["metadata"]["uid"]: "deletionTimestamp" in row["metadata"]
            for row in self._items(kind)
        }

    def _items(self, kind: str) -> list[Raw]:
        return self.driver.api.items(kind, self.driver.namespace)
