"""A made-up password planted everywhere is nowhere to be found afterwards."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger import sql
from ledger.dictionary import ALL
from ledger.log.kafka import KafkaLog
from ledger.model import NOWHERE
from ledger.web import build_datasette
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.topics import Topics
from tests.lab.users import WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

CANARY = f"CANARY-{secrets.token_hex(8)}"
PLANTED = Workload(
    "web",
    "nginx:1.24",
    replicas=1,
    cause=f"CHG-1: started with --password={CANARY}",
    env={"DB_PASSWORD": CANARY, "LOG_LEVEL": "info", "URL": f"postgres://app:{CANARY}@db/orders"},
    command=("sh", "-c", f"API_TOKEN={CANARY} exec nginx --auth-token {CANARY}"),
)


@pytest.fixture
def line(
    control_plane: Cluster, broker: Topics, topic: str, namespace: str, tmp_path: Path
) -> Iterator[Line]:
    kubeconfig = control_plane.kubeconfig(WATCHER)
    address = f"kafka://{broker.address}/{topic}"
    with Line(tmp_path / "line", kubeconfig, namespace, log=address) as running:
        yield running


def test_a_planted_password_is_nowhere(driver: Driver, line: Line, topic: str) -> None:
    # kubectl apply copies the whole manifest into last-applied-configuration as well.
    applied(driver, PLANTED)
    driver.settled()
    applied(driver, replace(PLANTED, image="nginx:1.25"))
    driver.settled()
    line.wait_for(driver.live_versions())

    told = line.run("history", "sts/web", "-n", driver.namespace, "-o", "json")
    told += line.run("show", "sts/web", "--revision", "2", "-o", "yaml", "-n", driver.namespace)
    told += line.run("diff", "sts/web", "-n", driver.namespace, code=1)
    assert "nginx:1.25" in told
    assert "redacted:" in told
    assert CANARY not in told

    files = {file: file.read_bytes() for file in line.data.rglob("*") if file.is_file()}
    assert [str(file) for file, content in files.items() if CANARY.encode() in content] == []

    records, pages = asyncio.run(read_all(line))
    assert len(records) > 50
    assert [i for i, record in enumerate(records) if CANARY.encode() in record] == []
    assert [page for page, text in pages.items() if CANARY in text] == []


async def read_all(line: Line) -> tuple[list[bytes], dict[str, str]]:
    """Every record of the topic, and every page of the ledger."""
    log = await KafkaLog.open(line.log)
    records, after = [], NOWHERE
    while found := await log.read(after, 500):
        records += [record.value for record in found]
        after = found[-1].position
    await log.close()
    served = build_datasette(line.ledger)
    await served.invoke_startup()
    addresses = [f"/ledger/{name}.json?_size=max" for name in ALL]
    addresses += [f"/ledger/{each.name}" for each in sql.questions()]
    pages = {at: (await served.client.get(at)).text for at in addresses}
    served.get_database("ledger").close()
    served.executor.shutdown()
    return records, pages
