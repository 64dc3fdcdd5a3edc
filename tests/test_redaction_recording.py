"""The recorded cluster's made-up passwords are gone, and everything else can still be read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledger.redaction import Redactor
from tests.test_redaction_templates import differences

STREAMS = Path(__file__).parent / "streams"
PASSWORDS = (
    *("hunter2-env", "hunter3-env", "hunter2-shell", "hunter2-cause"),
    *("hunter2-orders", "correct-horse-9"),
)
LAST_APPLIED = ".metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"


def objects(name: str) -> Iterator[dict[str, Any]]:
    with (STREAMS / name).open("rb") as packed:
        stream = zstandard.ZstdDecompressor().stream_reader(packed)
        for line in io.TextIOWrapper(stream, "utf-8"):
            step = json.loads(line)
            if step["op"] == "watch":
                yield json.loads(step["raw"])["object"]


@pytest.mark.parametrize("name", ["tutorial.jsonl.zst", "demo.jsonl.zst"])
def test_only_what_held_a_password_or_a_manifest_is_hidden(name: str) -> None:
    redactor = Redactor("secrets", "k1", b"k" * 32)
    hidden: list[tuple[str, str]] = []
    for document in objects(name):
        redacted = redactor.redact(document).document
        assert not any(password in json.dumps(redacted) for password in PASSWORDS)
        hidden += differences(document, redacted)
        assert not redactor.redact(redacted).touched
    others = [value for path, value in hidden if not path.endswith(LAST_APPLIED)]
    assert others
    assert [value for value in others if not any(word in value for word in PASSWORDS)] == []


def test_levels_images_and_causes_can_still_be_read() -> None:
    redactor = Redactor("secrets", "k1", b"k" * 32)
    text = "\n".join(json.dumps(redactor.redact(o).document) for o in objects("tutorial.jsonl.zst"))
    old, new = (redactor.tag(f"hunter{n}-env") for n in (2, 3))
    assert '{"name": "LOG_LEVEL", "value": "info"}' in text
    assert f'{{"name": "DB_PASSWORD", "value": "{old}"}}' in text
    assert f'{{"name": "DB_PASSWORD", "value": "{new}"}}' in text
    assert '"image": "nginx:1.29"' in text
    assert f"CHG-77: start with --password={redactor.tag('hunter2-cause')}" in text
    assert f"API_TOKEN={redactor.tag('hunter2-shell')} exec nginx" in text
