"""What an API server's storage does to it: changes that no watch hears of, and etcd restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

from tests.fake_api import FakeApi, Raw


@contextmanager
def untold(api: FakeApi, plural: str) -> Iterator[None]:
    """What changes in here is told to no watch, now or later (kubernetes#123072)."""
    before = list(api.history[plural])
    yield
    api.history[plural] = before


@dataclass(frozen=True)
class Backup:
    """A copy of everything there is."""

    version: int
    objects: dict[str, dict[str, Raw]]


def back_up(api: FakeApi) -> Backup:
    """A copy, as of now."""
    return Backup(api.version, deepcopy(dict(api.objects)))


def restore(api: FakeApi, backup: Backup) -> None:
    """Put a copy back: its objects, its version, no history; every connection breaks."""
    api.version = backup.version
    api.objects.clear()
    api.objects.update(deepcopy(backup.objects))
    for plural in api.history:
        api.history[plural].clear()
        api.oldest[plural] = backup.version
    api.cut()
