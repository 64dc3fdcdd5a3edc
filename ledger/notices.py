"""What a running process has to say although nothing failed: one warning line on stderr.

A process whose stderr is JSON (`watch` configures it so) says it in JSON; every other one in the
manner of its errors.
"""

from __future__ import annotations

import sys


def warn(sentence: str, hint: str = "") -> None:
    """Say what is not as it should be, now."""
    _say("warning", sentence, hint)


def note(sentence: str, hint: str = "") -> None:
    """Say what is well again, now."""
    _say("note", sentence, hint)


def _say(kind: str, sentence: str, hint: str) -> None:
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        log = structlog.get_logger("ledger")
        more = {"hint": hint} if hint else {}
        (log.warning if kind == "warning" else log.info)(sentence, **more)
        return
    told = f"{kind}: {_line(sentence)}" + (f"; {_line(hint)}" if hint else "")
    print(told, file=sys.stderr, flush=True)


def _line(text: str) -> str:
    return " ".join(text.split())
