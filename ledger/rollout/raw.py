"""Reading Kubernetes JSON of which only the shape that an API server serves is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.model import respelt


def text(value: Any) -> str:
    """A string as it is. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def number(value: Any) -> int:
    """An integer as it is. Raises TypeError for anything else, ValueError for one no API has."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    if not -(2**62) < value < 2**62:
        raise ValueError("number out of range")
    return value


def count(value: Any) -> int:
    """An integer that Kubernetes keeps in 32 bits, as `number` reads it."""
    counted = number(value)
    if not -(2**31) <= counted < 2**31:
        raise ValueError("count out of range")
    return counted


def mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object, empty when there is none. Raises TypeError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"expected a map, found {type(value).__name__}")
    return value


def items(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a JSON list, none without one. Raises TypeError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return [mapping(item) for item in value]


def server_time(raw: Any) -> str | None:
    """A time of the API server (whole seconds) spelt like ours, so that both sort together; None
    when it is none.
    """
    try:
        return respelt(raw)
    except (TypeError, ValueError, AttributeError):
        return None
