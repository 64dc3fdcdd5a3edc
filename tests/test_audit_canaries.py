"""Secrets in audit events, however they come in, are in no file, output, metric or report."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.webhook import LIMIT_BYTES
from ledger.log.sqlite import LogFile
from ledger.model import NOWHERE
from ledger.settings import Settings
from tests.auditing import Audited, audited
from tests.line import environment
from tests.real import answer
from tests.test_audit_webhook import batch, event

CANARY = "CANARY-5ec2e7a9d1"
NAME = "NAMED-41c0ffee17"
"""Used as a name, without the form of a secret: names are kept."""


def planted(**other: Any) -> dict[str, Any]:
    """A write that has a secret wherever one may stand."""
    annotations = {
        "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"password": CANARY}),
        "example.com/note": CANARY,
        "rollout-ledger/undo": json.dumps({"reason": f"password={CANARY}"}),
        NAME: "1",
    }
    container = {
        "name": "app",
        "image": "app:1",
        "command": ["sh", "-c", CANARY],
        "env": [{"name": "X", "value": CANARY}],
    }
    body = {
        "metadata": {"annotations": annotations, "labels": {f"token={CANARY}": "1"}},
        "spec": {"template": {"spec": {"containers": [container]}}, CANARY[:6]: {"$patch": CANARY}},
    }
    made = {"uid": "u-1", "resourceVersion": "7", "generation": 1, "annotations": annotations}
    return event(
        **{
            "level": "RequestResponse",
            "verb": "create",
            "auditID": f"id-{CANARY}",
            "requestURI": f"/apis?fieldValidation={CANARY}&fieldManager=kubectl&x={CANARY}",
            "user": {
                "username": "alice",
                "uid": CANARY,
                "groups": [CANARY],
                "extra": {CANARY: [CANARY]},
            },
            "userAgent": f"{NAME}/1 --password={CANARY} https://u:{CANARY}@proxy/ Bearer {CANARY}",
            "responseStatus": {
                "code": 201,
                "message": CANARY,
                "reason": CANARY,
                "details": {"causes": [{"message": CANARY}]},
            },
            "requestObject": body,
            "responseObject": {"kind": "StatefulSet", **body, "metadata": made},
            "annotations": {CANARY: CANARY, "authorization.k8s.io/reason": CANARY},
            **other,
        }
    )


def ways(source: str) -> list[dict[str, Any]]:
    """The same as every kind of request; the last is refused at the door for its time."""
    json_patch = [{"op": "add", "path": f"/spec/password={CANARY}/x", "value": CANARY}]
    pod = {"resource": "pods", "name": "web-0", "namespace": "shop"}
    made = [
        planted(),
        planted(verb="patch", responseStatus={"code": 422, "message": CANARY}),
        planted(verb="patch", requestObject=json_patch),
        planted(verb="delete", requestObject={"propagationPolicy": f"password={CANARY}"}),
        planted(objectRef=pod | {"subresource": "eviction"}, responseObject={"message": CANARY}),
        planted(objectRef=pod | {"resource": "secrets"}),
        planted(requestReceivedTimestamp=CANARY),
        planted(user=CANARY),
    ]
    return [each | {"auditID": f"{source}-{number}-{CANARY}"} for number, each in enumerate(made)]


def run(place: Settings, *arguments: str, code: int = 0) -> str:
    """What a command says on stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "ledger", *arguments, "--data", str(place.data)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment() | {"HOME": str(place.data.parent)},
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


async def bring(running: Audited) -> None:
    """Plant by file and webhook, well formed and not."""
    lines = [json.dumps(each).encode() for each in ways("file")]
    torn = lines[0][: len(lines[0]) // 2]
    running.audit_log.write_bytes(b"\n".join([*lines, torn, CANARY.encode(), b""]))
    assert await running.send(batch(*ways("webhook"))) == 200
    assert await running.send(CANARY.encode()) == 400
    assert await running.send(batch(planted())[:-20]) == 400
    assert await running.send(json.dumps({"kind": CANARY, "items": []}).encode()) == 400
    assert await running.send(batch(planted()), token=CANARY) in (0, 401)
    too_large = (CANARY.encode() * (LIMIT_BYTES // len(CANARY) + 2))[: LIMIT_BYTES + 1]
    assert await running.send(too_large) in (0, 413)
    # No HTTP at all, over TLS.
    port = int(running.webhook.rpartition(":")[2].strip("/"))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=running.tls, server_hostname="127.0.0.1"
    )
    writer.write(f"{CANARY} {CANARY}\r\n{CANARY}\r\n\r\n".encode())
    await reader.read()
    writer.close()
    # Five are kept by each way, one is about another kind, and two are none; of the file two more.
    for outcome, count in (("kept", 10), ("dropped", 2), ("unreadable", 6), ("malformed", 4)):
        await running.counted(outcome, count)
    await running.counted("unauthorized", 1)
    await running.counted("oversize", 1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything was done, with all that was said in `said.txt`."""
    folder = tmp_path_factory.mktemp("planted")
    return asyncio.run(_done(folder))


async def _done(folder: Path) -> Path:
    async with audited(folder) as running:
        await bring(running)
        said = await running.metrics()
        place = running.settings
    old = folder.parent / "planted-old.log"
    old.write_bytes(
        b"\n".join(json.dumps(each).encode() for each in ways("old")) + b"\n" + CANARY.encode()
    )
    said += run(place, "import", str(old))
    old.unlink()
    running.audit_log.unlink()
    said += run(place, "consume", "--once")
    said += run(place, "changes", "-A", "-o", "wide")
    said += run(place, "changes", "-A", "-o", "json")
    at = (
        "--since",
        "2026-11-01T00:00:00Z",
        "--until",
        "2026-12-01T00:00:00Z",
        "--out",
        str(folder / "report"),
    )
    said += run(place, "report", "changes", *at)
    (folder / "said.txt").write_text(said)
    return folder


def test_no_file_holds_a_secret_of_an_audit_event(place: Path) -> None:
    files = [file for file in place.rglob("*") if file.is_file()]
    names = {file.name for file in files}
    assert {"log.db", "ledger.db", "watch.out", "said.txt", "manifest.json"} <= names
    assert [str(file) for file in files if CANARY.encode() in file.read_bytes()] == []
    # What could have given it away is there.
    said = (place / "said.txt").read_text()
    assert "5 writes imported, 1 events are about other things, 3 could not be read" in said
    assert "of a time that nobody watched" in said
    assert "of a time that nobody watched" in (place / "report" / "changes.csv").read_text()


def test_no_record_holds_one_either(place: Path) -> None:
    # The log's file is packed: a look at its bytes tells nothing.
    with LogFile.open(Settings(place / "data").log_file, writable=False) as log:
        found = [record.value for record in log.read(NOWHERE, 10_000)]
    assert sum(b'"rollout-ledger.audit.v1"' in value for value in found) == 15
    assert [value for value in found if CANARY.encode() in value] == []


def test_names_are_kept_as_it_is_said(place: Path) -> None:
    rows = answer(Settings(place / "data").ledger_path, "select agent, touched from actions")
    assert rows
    assert all(agent.startswith(f"{NAME}/1 --password=redacted:") for agent, _ in rows)
    assert any(f"/metadata/annotations/{NAME}" in touched for _, touched in rows)
    assert any("/metadata/labels/token=redacted:" in touched for _, touched in rows)


def test_what_was_refused_is_told_of_without_a_quotation(place: Path) -> None:
    said = (place / "watch.out").read_text()
    assert "an audit event cannot be read" in said
    assert "a batch of audit events was refused" in said
