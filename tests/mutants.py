"""How many mutants the tests killed, and which ones live: the end of `make mutants`.

Reads what mutmut left in mutants/, writes the survivors to mutants/survivors.txt, and ends with 1
below the share that is promised. A mutant that mypy rejects never gets as far as a test, for `make
lint` comes first: it counts as killed, and the share of tests alone is told beside it.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

PROMISED = 85.0
SURVIVORS = Path("mutants/survivors.txt")
TESTS, TYPES = ("killed", "timeout", "segfault"), "caught by type check"
LEFT_OUT = ("skipped",)
UNTRIED = "not checked"


def main() -> int:
    """Print the shares that were killed; 1 when too few were, or some were not tried."""
    command = ["mutmut", "results", "--all", "true"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    results = dict(line.strip().rsplit(": ", 1) for line in told.splitlines() if ": " in line)
    results = {name: state for name, state in results.items() if state not in LEFT_OUT}
    dead = (*TESTS, TYPES, UNTRIED)
    alive = sorted(f"{name}: {state}" for name, state in results.items() if state not in dead)
    SURVIVORS.write_text("".join(f"{line}\n" for line in alive), "utf-8")
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for name, state in results.items():
        modules[name.partition(".x")[0]][state] += 1
    for module, states in sorted(modules.items()):
        print(f"{module:28} {_line(states)}")
    total = sum(modules.values(), Counter())
    print(f"{'all':28} {_line(total)}")
    print(f"{SURVIVORS} lists those that live")
    if total[UNTRIED]:
        print(f"{total[UNTRIED]} were not tried: run it again to go on")
    return int(shares(total)[0] < PROMISED or total[UNTRIED] > 0)


def shares(states: Mapping[str, int]) -> tuple[float, float]:
    """The percentage that tests and mypy killed together, and that of tests among the rest."""
    by_tests = sum(states.get(name, 0) for name in TESTS)
    by_types = states.get(TYPES, 0)
    tried = sum(states.values()) - states.get(UNTRIED, 0)
    rest = tried - by_types
    return (
        100 * (by_tests + by_types) / tried if tried else 100.0,
        100 * by_tests / rest if rest else 100.0,
    )


def _line(states: Mapping[str, int]) -> str:
    together, alone = shares(states)
    by_tests = sum(states.get(name, 0) for name in TESTS)
    untested = states.get("no tests", 0)
    alive = sum(states.values()) - by_tests - states.get(TYPES, 0) - states.get(UNTRIED, 0)
    return (
        f"{by_tests:5} killed by tests {states.get(TYPES, 0):5} by mypy {alive:5} live "
        f"({untested} untested): {together:5.1f} %, tests alone {alone:5.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
