"""Completion inside kubectl: `kubectl_complete-rollout_ledger` is asked for candidates.

kubectl runs it with the words so far and reads one candidate a line, then `:` and a directive (4:
no file names). It never fails loudly: somebody is typing.
"""

from __future__ import annotations

import sys

import click
from click.shell_completion import CompletionItem, ShellComplete

from ledger.cli import group
from ledger.errors import LedgerError

NO_FILES = ":4"
TAKES_TARGETS = ("history", "show", "diff", "changes", "undo")


def kubectl_complete() -> None:
    """Print the candidates for the words on the command line."""
    *words, last = sys.argv[1:] or [""]
    for candidate in candidates(words, last):
        print(candidate)
    print(NO_FILES)


def candidates(words: list[str], last: str) -> list[str]:
    """What could stand for the last word: commands, options, or StatefulSets of the ledger."""
    if words and words[0] in TAKES_TARGETS and not last.startswith("-") and not _wants_value(words):
        return [name for name in _targets(words) if name.startswith(last)]
    found: list[CompletionItem] = ShellComplete(group, {}, "rollout-ledger", "").get_completions(
        words, last
    )
    return [item.value for item in found]


def _wants_value(words: list[str]) -> bool:
    command = group.get_command(click.Context(group), words[0])
    options = [p for p in command.params if isinstance(p, click.Option)] if command else []
    taking = {flag for option in options if not option.is_flag for flag in option.opts}
    return words[-1] in taking


def _targets(words: list[str]) -> list[str]:
    from ledger.cli.options import default_data
    from ledger.reader import open_reader
    from ledger.settings import Settings

    namespace = _value(words, ("-n", "--namespace")) or "default"
    scope = "" if {"-A", "--all-namespaces"} & set(words) else namespace
    address = _value(words, ("--ledger",)) or _from_environment("ROLLOUT_LEDGER")
    data = _value(words, ("--data",)) or _from_environment("ROLLOUT_LEDGER_DATA")
    from pathlib import Path

    settings = Settings(Path(data) if data else default_data(), ledger=address)
    try:
        rows = open_reader(settings.ledger_address).query("incarnations", {"namespace": scope})
    except LedgerError:
        return []
    return sorted({f"sts/{row['name']}" for row in rows})


def _value(words: list[str], names: tuple[str, ...]) -> str:
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else "".join(words[index + 1 : index + 2])
    return ""


def _from_environment(name: str) -> str:
    import os

    return os.environ.get(name, "")
