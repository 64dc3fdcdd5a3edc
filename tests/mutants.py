"""How many mutants the tests killed, and which ones live: the end of `make mutants`.

Reads what mutmut left in mutants/, writes the survivors to mutants/survivors.txt, and ends with 1
below the share that is promised.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROMISED = 85.0
STATS = Path("mutants/mutmut-cicd-stats.json")
SURVIVORS = Path("mutants/survivors.txt")


def main() -> int:
    """Print the share that was killed; 1 when it is too low."""
    subprocess.run(["mutmut", "export-cicd-stats"], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run(["mutmut", "results"], check=True, capture_output=True, text=True).stdout
    alive = sorted(line.strip() for line in told.splitlines() if not line.endswith("not checked"))
    SURVIVORS.write_text("\n".join(alive) + "\n", "utf-8")
    stats = json.loads(STATS.read_text("utf-8"))
    killed = stats["killed"] + stats["timeout"] + stats["segfault"]
    lived = stats["survived"] + stats["no_tests"] + stats["suspicious"]
    share = 100 * killed / max(1, killed + lived)
    unchecked = stats["total"] - killed - lived - stats["skipped"]
    print(f"{killed} of {killed + lived} mutants killed: {share:.1f} %, {SURVIVORS} lists the rest")
    if unchecked:
        print(f"{unchecked} were not tried: run it again to go on")
    return int(share < PROMISED or unchecked > 0)


if __name__ == "__main__":
    sys.exit(main())
