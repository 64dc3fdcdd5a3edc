"""Who did it, on real control planes: what ledgers say, against what each really did."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.audit.event import action_of
from tests.authors import Change, authors, changes_of, told
from tests.faults import row
from tests.lab.api import Api
from tests.lab.book import Book, Who
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.operator import Operator
from tests.lab.users import ADMIN, ALICE, BOB, DEPLOYER, WATCHER
from tests.lab.writers_scenario import WEB, Writers
from tests.line import Line
from tests.real import ask, end

STAMP_POLICY = Path(__file__).parent.parent / "compose" / "kubernetes" / "admission-stamp.yaml"
METADATA = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, verbs: [create, update, patch, delete, deletecollection]}]
"""
FOLD_SECONDS = 60.0
STAMP_SECONDS = 60.0


def caught_up(line: Line, plane: ControlPlane, driver: Driver) -> None:
    """Return when the ledger is where the cluster is, and has all of the audit log if it is given
    it.
    """
    line.wait_for(driver.settled().versions(), seconds=FOLD_SECONDS)
    deadline = time.monotonic() + FOLD_SECONDS
    wanted = _audited(plane, driver.namespace) if line.watching[:1] == ("--audit-log",) else 0
    counted = "select count(*) from actions where namespace = ?"
    while (found := ask(line, counted, driver.namespace)[0][0]) < wanted:
        assert time.monotonic() < deadline, f"{found} of {wanted} audit records"
        time.sleep(0.1)


def _audited(plane: ControlPlane, namespace: str) -> int:
    """How many finished writes to our kinds in a namespace the audit log holds."""
    actions = (action_of(json.loads(raw)) for raw in plane.audit_log.read_text().splitlines())
    return sum(1 for each in actions if each and each.get("namespace") == namespace)


def _line(folder: Path, plane: ControlPlane, namespace: str, *options: str) -> Line:
    return Line(folder, plane.kubeconfig(WATCHER), namespace, watching=options)


@pytest.fixture
def told_and_silent(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> Iterator[tuple[Line, Line]]:
    """Two installations beside one another: one is given the audit log, the other is not."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster's audit log is not at hand")
    audit = ("--audit-log", str(control_plane.audit_log))
    with (
        _line(tmp_path / "told", control_plane, namespace, *audit) as informed,
        _line(tmp_path / "silent", control_plane, namespace) as silent,
    ):
        yield informed, silent


@pytest.mark.timeout(400)
def test_every_change_has_its_author_among_dry_runs_no_ops_and_controllers(
    told_and_silent: tuple[Line, Line], control_plane: ControlPlane, driver: Driver
) -> None:
    informed, silent = told_and_silent
    with Operator(control_plane, driver.namespace) as operator:
        book = Book(driver, operator)
        for _, act in Writers(book, control_plane, seed=4, rounds=7).acts():
            act()
    for line in told_and_silent:
        caught_up(line, control_plane, driver)
    expected, found = changes_of(book), authors(informed.ledger)
    result = told(found, expected)
    assert (result.wrong, result.unnamed) == ([], [])
    assert set(result.by_basis) == {"exact", "probable"}
    assert result.by_basis["exact"] >= 0.97 * len(expected)
    assert len(book.writes) >= 40
    assert len(set(expected.values())) >= 5
    assert min(book.counts["dry run"], book.counts["no-op"]) >= 20
    assert book.counts["collection"] >= 5
    _check_same_seconds(informed)
    # Of the other all that can be said is by which name a client wrote.
    assert {author.basis for author in authors(silent.ledger).values()} == {"claimed"}


def _check_same_seconds(line: Line) -> None:
    """People did write within one second of one another."""
    (several,) = ask(
        line,
        "select count(*) from (select 1 from attributions"
        " join actions on actions.position = attributions.position"
        " where what = 'write' and basis = 'exact'"
        " group by object_id, substr(received_at, 1, 19) having count(distinct user) > 1)",
    )
    assert several[0] >= 3


@row("A2", how="field manager, user agent, annotations and --as by another's name", part="real")
@pytest.mark.timeout(200)
def test_a02_a_name_that_is_put_on_is_never_believed(
    told_and_silent: tuple[Line, Line], control_plane: ControlPlane, driver: Driver
) -> None:
    informed, silent = told_and_silent
    with Operator(control_plane, driver.namespace) as operator:
        book = Book(driver, operator)
        book.do(Who(DEPLOYER), "apply", "--server-side", "-f", "-", stdin=WEB.manifest())
        _spoof(book, control_plane)
    for line in told_and_silent:
        caught_up(line, control_plane, driver)
    result = told(authors(informed.ledger), changes_of(book))
    assert (result.wrong, result.unnamed) == ([], [])
    assert result.by_basis == Counter(exact=len(book.writes))
    # Without an audit log the victim is named, as what a client calls itself and no more.
    named = authors(silent.ledger).values()
    assert {author.basis for author in named} == {"claimed"}
    assert BOB in {author.who.user for author in named}
    for line in told_and_silent:
        end(line)


def _spoof(book: Book, plane: ControlPlane) -> None:
    """Alice does what she can to look like Bob."""
    mallory, target = Who(ALICE), "sts/web"
    manager = f"--field-manager={BOB}"
    book.do(mallory, "set", "image", target, "app=nginx:6.1", manager)
    forced = ("apply", "--server-side", "--force-conflicts", manager, "-f", "-")
    book.do(mallory, *forced, stdin=WEB.manifest().replace("nginx:1.24", "nginx:6.2"))
    path = book.driver.path("statefulsets", "web")
    api = Api(plane.kubeconfig(ALICE))
    labels = {"labels": {"round": "6.3"}}
    signed = {"annotations": {"rollout-ledger/actor": f"3:{BOB}", "example.com/by": BOB}}
    change = {"metadata": signed, "spec": {"template": {"metadata": labels}}}
    book.act(mallory, lambda: api.patch(path, change, agent=f"{BOB}/1.0"))
    book.nothing("refused", mallory, "set", "image", target, "app=nginx:6.4", f"--as={BOB}")
    # Who may impersonate is kept beside whom.
    book.do(Who(ADMIN, BOB), "set", "image", target, "app=nginx:6.5", manager)


@pytest.fixture(scope="module")
def stamping(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A control plane whose audit log says little, and whose admission policy stamps."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster's audit log is not at hand")
    policy = tmp_path_factory.mktemp("policy") / "metadata.yaml"
    policy.write_text(METADATA)
    with ControlPlane(audit_policy=policy) as plane:
        plane.apply(STAMP_POLICY)
        plane.make_namespace("stamped")
        plane.make_volumes(6)
        _wait_for_stamps(plane)
        yield plane


def _wait_for_stamps(plane: ControlPlane) -> None:
    """Return when the API server has taken notice of the policy."""
    api, deadline = Api(plane.kubeconfig(ADMIN)), time.monotonic() + STAMP_SECONDS
    plane.administer("apply", "-n", "default", "-f", "-", stdin=WEB.manifest())
    number = 0
    while True:
        number += 1
        change = {"spec": {"template": {"metadata": {"labels": {"try": str(number)}}}}}
        made = api.patch("/apis/apps/v1/namespaces/default/statefulsets/web", change)
        if "rollout-ledger/actor" in made["metadata"].get("annotations", {}):
            plane.administer("delete", "-n", "default", "sts/web")
            return
        assert time.monotonic() < deadline, "the policy never stamps"
        time.sleep(0.2)


@row("A2", how="stamps written by /status and by annotation, then a scale", part="real")
@pytest.mark.timeout(400)
def test_a02_stamps_prove_writes_and_metadata_alone_proves_nothing(
    stamping: ControlPlane, tmp_path: Path
) -> None:
    driver = Driver(stamping, "stamped")
    audit = ("--audit-log", str(stamping.audit_log))
    with contextlib.ExitStack() as lines:
        vague = lines.enter_context(_line(tmp_path / "vague", stamping, "stamped", *audit))
        stamped = lines.enter_context(
            _line(tmp_path / "stamped", stamping, "stamped", "--admission-stamp")
        )
        operator = lines.enter_context(Operator(stamping, driver.namespace))
        book = Book(driver, operator)
        for _, act in Writers(book, stamping, seed=5, rounds=3).acts():
            act()
        book.do(Who(DEPLOYER), "apply", "--server-side", "-f", "-", stdin=WEB.manifest())
        _spoof(book, stamping)
        _forge(book, stamping)
        for line in (vague, stamped):
            caught_up(line, stamping, driver)
            end(line)
    expected = changes_of(book)
    by_name = told(authors(vague.ledger), expected)
    assert by_name.wrong == []
    assert {author.basis for author in authors(vague.ledger).values()} <= {"probable", "claimed"}
    assert by_name.by_basis["probable"] >= 1
    by_stamp = told(authors(stamped.ledger), {k: _seen(who) for k, who in expected.items()})
    assert by_stamp.wrong == []
    unproven = {Change(uid, "write", generation) for uid, generation in book.scales}
    assert len(unproven) >= 3
    assert set(by_stamp.unnamed) >= unproven
    for change in set(by_stamp.unnamed) - unproven:
        # The same person had written nothing new just before: the stamp stood there already.
        assert change.what == "deletion" or _stood_there(stamped, change)
    assert by_stamp.by_basis["strong"] >= 0.8 * (len(book.writes) - len(unproven))


def _stood_there(line: Line, change: Change) -> bool:
    stamps = ask(
        line,
        "select stamp from set_states join objects on objects.id = object_id"
        " where uid = ? and (generation = ? or generation = ?)"
        " order by generation = ?, set_states.resource_version desc",
        change.uid, change.generation - 1, change.generation, change.generation,
    )  # fmt: skip
    before, *_, after = stamps
    return bool(before == after)


def _seen(who: Who) -> Who:
    """As whom the admission policy sees a request."""
    return Who(who.impersonated or who.user)


def _forge(book: Book, plane: ControlPlane) -> None:
    """Alice forges Bob's stamp in every way she can, and scales, which nobody stamps."""
    api, path = Api(plane.kubeconfig(ALICE)), book.driver.path("statefulsets", "web")
    for replicas, way in ((2, f"{path}/status"), (1, path), (2, f"{path}/status")):
        generation = book.driver.get("statefulsets", "web")["metadata"]["generation"]
        for each in (generation, generation + 1):
            api.patch(way, {"metadata": {"annotations": {"rollout-ledger/actor": f"{each}:{BOB}"}}})
        book.do(Who(ALICE), "scale", "sts/web", f"--replicas={replicas}")
    for image in ("nginx:7.1", "nginx:7.2"):
        generation = book.driver.get("statefulsets", "web")["metadata"]["generation"]
        api.patch(
            f"{path}/status",
            {"metadata": {"annotations": {"rollout-ledger/actor": f"{generation}:{BOB}"}}},
        )
        book.do(Who(ALICE), "set", "image", "sts/web", f"app={image}")
