"""Of a corpus without secrets hardly a value is hidden, and a change of level can be read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ledger.diff import diff
from ledger.redaction import Redactor
from ledger.summary import summarize
from tests.recorded import KEY, KEY_ID
from tests.test_redaction_recording import LAST_APPLIED, PASSWORDS, objects
from tests.test_redaction_templates import TEMPLATES, differences
from tests.typical_sets import TYPICAL

RECORDINGS = ("tutorial.jsonl.zst", "demo.jsonl.zst")
CORPUS = {name: yaml.safe_load(text) for name, text in (TEMPLATES | TYPICAL).items()}


def strings(document: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every string value."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield from strings(value, f"{path}.{key}")
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from strings(value, f"{path}[{index}]")
    elif isinstance(document, str):
        yield path, document


def wrongly_hidden(documents: list[dict[str, Any]]) -> tuple[list[tuple[str, Any]], int]:
    """What was hidden though it is no secret, and how many strings there are. A manifest repeated
    in an annotation is hidden whole on purpose; the recordings' passwords are known.
    """
    redactor = Redactor("secrets", KEY_ID, KEY)
    hidden: list[tuple[str, Any]] = []
    total = 0
    for document in documents:
        total += sum(1 for _ in strings(document))
        hidden += [
            (path, value)
            for path, value in differences(document, redactor.redact(document).document)
            if not path.endswith(LAST_APPLIED) and not any(word in str(value) for word in PASSWORDS)
        ]
    return hidden, total


def test_the_corpus_has_more_than_twenty_typical_sets() -> None:
    assert len(CORPUS) >= 20


def test_under_one_in_a_hundred_values_of_typical_sets_is_hidden() -> None:
    hidden, total = wrongly_hidden(list(CORPUS.values()))
    assert total > 700
    assert len(hidden) / total < 0.01, hidden


def test_under_one_in_a_hundred_values_of_the_whole_corpus_is_hidden() -> None:
    recorded = [document for name in RECORDINGS for document in objects(name)]
    hidden, total = wrongly_hidden([*CORPUS.values(), *recorded])
    assert total > 10_000
    assert len(hidden) / total < 0.01, hidden


def test_a_change_of_level_is_readable_in_the_diff() -> None:
    redactor = Redactor("secrets", KEY_ID, KEY)
    for name, template in CORPUS.items():
        old, new = copy.deepcopy(template), copy.deepcopy(template)
        for document, level in ((old, "info"), (new, "debug")):
            first = document["spec"]["containers"][0]
            env = [one for one in first.get("env", []) if one["name"] != "LOG_LEVEL"]
            first["env"] = [{"name": "LOG_LEVEL", "value": level}, *env]
        found = diff(redactor.redact(old).document, redactor.redact(new).document)
        assert summarize(found) == "env LOG_LEVEL info → debug", name
        assert [(one.old, one.new) for one in found] == [("info", "debug")], name


def test_a_change_of_level_inside_a_script_is_readable_beside_a_secret() -> None:
    redactor = Redactor("secrets", KEY_ID, KEY)
    scripts = [f"LOG_LEVEL={level} DB_PASSWORD=hunter2 exec app" for level in ("info", "debug")]
    told = [json.dumps(redactor.redact({"command": ["sh", "-c", s]}).document) for s in scripts]
    tag = redactor.tag("hunter2")
    assert [f"LOG_LEVEL=info DB_PASSWORD={tag} exec app" in told[0]] == [True]
    assert [f"LOG_LEVEL=debug DB_PASSWORD={tag} exec app" in told[1]] == [True]


def test_the_corpus_is_here() -> None:
    assert all((Path(__file__).parent / "streams" / name).exists() for name in RECORDINGS)
