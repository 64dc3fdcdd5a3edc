"""What a command prints on a terminal of some width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios

from tests.line import environment

HEIGHT = 50


def on_terminal(width: int, *arguments: str) -> list[str]:
    """The lines, without colour, that `rollout-ledger ARGUMENTS` prints on a terminal."""
    child, screen = pty.fork()
    if child == 0:
        size = struct.pack("HHHH", HEIGHT, width, 0, 0)
        fcntl.ioctl(1, termios.TIOCSWINSZ, size)
        command = [sys.executable, "-m", "ledger", *arguments]
        os.execve(
            sys.executable, command, environment() | {"TERM": "xterm-256color", "NO_COLOR": ""}
        )
    said = b""
    try:
        while piece := os.read(screen, 65536):
            said += piece
    except OSError:
        # Linux's way to tell that the other side has gone.
        pass
    finally:
        os.close(screen)
        os.waitpid(child, 0)
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode()).replace("\r", "")
    return [line.rstrip() for line in text.splitlines()]
