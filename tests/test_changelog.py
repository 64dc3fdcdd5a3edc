"""The changelog and the version say the same."""

from __future__ import annotations

import re
from pathlib import Path

from ledger import __version__

ROOT = Path(__file__).parent.parent


def test_the_newest_released_entry_is_this_version() -> None:
    newest = re.search(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__


def test_the_package_metadata_is_this_version() -> None:
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
