"""How long an API server may take; the library that asks it would wait for ever."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Every wait for the network has an end."""

    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    """Between two pieces of an answer."""

    answer_seconds: float = 120.0
    """For a whole answer that is not a watch."""

    idle_seconds: float = 75.0
    """Between two pieces of a watch. Bookmarks come about once a minute, but are not promised, so
    a silent watch is asked for again and nothing is thought lost."""

    login_seconds: float = 120.0
    """For reading the credentials: a kubeconfig may run a program."""
