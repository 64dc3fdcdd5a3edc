"""What a process that handles secrets gives up at its start: core dumps, and being read by others.

A core file would hold every secret the process has seen, and no redaction comes before it.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4
"""linux/prctl.h."""


def harden() -> None:
    """From here on this process and those it starts leave no core file; on Linux no other process
    of the same user may read its memory either. Where the platform has no such thing, nothing
    happens. Never raises.
    """
    _no_core_files()
    if sys.platform == "linux":
        _not_dumpable()


def _no_core_files() -> None:
    try:
        import resource
    except ImportError:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _not_dumpable() -> None:
    # A core may also be piped to a program (core_pattern), for which the limit does not count.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
