"""`rollout-ledger web` as a process: it says where it is, and ends as it should."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from ledger.store import Ledger
from tests.lab.process import free_ports
from tests.line import environment


def command(ledger: Path, port: int, *more: str) -> list[str]:
    place = ["--ledger", str(ledger), "--port", str(port)]
    return [sys.executable, "-m", "ledger", "web", *place, *more]


def refused(*arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        arguments, env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    Ledger.open(tmp_path / "ledger.db").close()
    return tmp_path / "ledger.db"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_answers_once_it_says_so_and_ends_cleanly(
    host: str, number: signal.Signals, ledger: Path
) -> None:
    (port,) = free_ports(1)
    arguments = command(ledger, port, "--host", host)
    with subprocess.Popen(
        arguments, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as web:
        assert web.stdout
        assert web.stderr
        told = web.stdout.readline()
        where = told.partition(" on ")[2].split()[0]
        assert told == f"Serving {ledger} on {where} (Ctrl-C ends)\n"
        with urlopen(f"{where}-/readyz", timeout=10) as page:
            assert page.read() == b"ready\n"
        web.send_signal(number)
        assert web.wait(15) == 0
        assert web.stderr.read() == ""


def test_a_taken_port_is_one_line_and_a_hint(ledger: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert refused(*command(ledger, port)) == (
            1,
            [
                f"error: cannot listen on 127.0.0.1 port {port}: Address already in use",
                "hint: choose another with --port",
            ],
        )


def test_an_address_that_others_reach_is_refused(ledger: Path) -> None:
    assert refused(*command(ledger, 0, "--host", "0.0.0.0")) == (
        2,
        [
            "error: 0.0.0.0 can be reached by others, and nobody is asked for a password here",
            "hint: serve on 127.0.0.1 and put an authenticating proxy in front of it",
        ],
    )


def test_what_is_no_ledger_is_refused(tmp_path: Path) -> None:
    code, lines = refused(*command(tmp_path / "none.db", 0))
    assert (code, lines[0]) == (1, f"error: there is no ledger at {tmp_path / 'none.db'}")
    foreign = tmp_path / "books.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("create table entries (x)")
    connection.close()
    code, lines = refused(*command(foreign, 0))
    assert (code, lines[0]) == (1, f"error: {foreign} is not a Rollout Ledger ledger")
