"""The alarm for withheld content, and what doctor says of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from structlog.testing import capture_logs

from ledger.doctor import examine
from ledger.model import STATEFUL_SETS, ObjectRef, parse_timestamp
from ledger.observe import Observer
from ledger.redaction import Redactor
from ledger.settings import Settings
from ledger.withholding import Alarms
from tests.recorded import KEY, KEY_ID, folded

AT = parse_timestamp("2026-11-23T12:00:00Z")


def test_an_object_is_named_once_per_reason_and_no_value_with_it() -> None:
    web = ObjectRef("statefulsets", "shop", "web", "u1")
    alarms = Alarms()
    with capture_logs() as told:
        for reason in ("redaction-failed", "redaction-failed", "too-large"):
            alarms.tell(web, reason, size_bytes=120)
        alarms.tell(ObjectRef("pods", "shop", "web-0", "u2"), "redaction-failed", size_bytes=7)
    named = {"event": "content withheld", "log_level": "warning", "namespace": "shop"}
    assert told == [
        named | {"kind": "statefulsets", "name": "web", "reason": "redaction-failed", "bytes": 120},
        named | {"kind": "statefulsets", "name": "web", "reason": "too-large", "bytes": 120},
        named | {"kind": "pods", "name": "web-0", "reason": "redaction-failed", "bytes": 7},
    ]


def test_doctor_finds_withheld_content(tmp_path: Path) -> None:
    redactor = Redactor("secrets", KEY_ID, KEY)
    observer = Observer("c0ffee", "feed0001", redactor)
    metadata = {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"}
    raw = {"metadata": metadata, "x": {"token=a1": "", f"token={redactor.tag('a1')}": ""}}
    sealed = observer.state(json.dumps(raw).encode(), kind=STATEFUL_SETS, at=AT)
    assert sealed is not None
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir()
    folded([sealed.value], settings.ledger_path)
    findings = asyncio.run(examine(settings, kubeconfig=str(tmp_path / "none"), context=None))
    assert [(found.state, found.detail) for found in findings if found.check == "redaction"] == [
        (
            "warning",
            "the content of 1 states could not be examined for secrets and was withheld",
        )
    ]
