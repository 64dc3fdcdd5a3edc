"""One entry of the data dictionary."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One table or view: what one row is, what its columns mean, and how it is best shown."""

    description: str
    columns: dict[str, str]
    label_column: str = ""
    facets: tuple[str, ...] = ()
    sort_desc: str = ""
    is_hidden: bool = False
