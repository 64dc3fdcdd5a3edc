"""A watcher that was away while a real cluster went on: what it finds when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults import row
from tests.lab.api import Api
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.users import ADMIN, WATCHER
from tests.line import Line
from tests.real import WEB, ask, causes, check_as_kubectl, end, look_over

GONE = replace(WEB, name="gone", replicas=1)
AGAIN = replace(WEB, name="again", replicas=1)
OLD = replace(WEB, name="old", replicas=1)
FRESH = replace(WEB, name="fresh", replicas=1)
WRITES = 300
"""More than the controllers make when they start again: a restored etcd is behind for long."""

CATCH_UP_SECONDS = 40.0
TIMEOUT = pytest.mark.timeout(150)


@row("W17", how="SIGTERM, rollouts meanwhile, started again within history", part="real")
@TIMEOUT
def test_w17_what_history_still_holds_is_told_after_a_short_absence_without_a_gap(
    driver: Driver, tmp_path: Path
) -> None:
    line = Line(tmp_path, driver.cluster.kubeconfig(WATCHER), driver.namespace)
    with line:
        applied(driver, WEB)
        driver.settled()
        line.wait_for(driver.live_versions())
        line.stop("watch")
        driver.run("set", "image", "sts/web", "app=shop/web:2")
        driver.run("scale", "sts/web", "--replicas=1")
        driver.settled()
        line.start("watch")
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        check_as_kubectl(driver, line, "web")
        assert causes(line) == {}
        assert generations(line, "web") == [1, 2, 3]
        end(line)


@dataclass
class Absence:
    """A line whose watcher was away for longer than history lasts, and what it had seen before."""

    line: Line
    driver: Driver
    before: dict[str, str]
    """The uid of each StatefulSet when the watcher went away."""


@pytest.fixture(scope="module")
def absence(breakable: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Absence]:
    """Three sets; one changes, one is deleted and one is deleted and made again, unwatched."""
    namespace = "absence"
    breakable.make_namespace(namespace)
    breakable.make_volumes(4, prefix=namespace)
    driver = Driver(breakable, namespace)
    line = Line(tmp_path_factory.mktemp("absence"), breakable.kubeconfig(WATCHER), namespace)
    with line:
        for workload in (WEB, GONE, AGAIN):
            applied(driver, workload)
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        before = {name: uid_of(driver, name) for name in ("web", "gone", "again")}
        line.stop("watch")
        driver.run("set", "image", "sts/web", "app=shop/web:2")
        driver.run("delete", "sts", "gone", "again")
        driver.wait_for(lambda found: len(found.raw["pods"]) == WEB.replicas, "pods to go")
        applied(driver, AGAIN)
        driver.settled()
        breakable.restart_apiserver()
        breakable.restart_controllers()
        driver.settled()
        line.start("watch")
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        for part in ("watch", "consume"):
            assert line.stop(part) == 0
        yield Absence(line, driver, before)


@row("W17", how="SIGTERM, rollouts, API server restarted (no history), started again", part="real")
@TIMEOUT
def test_w17_an_absence_longer_than_history_is_one_gap_for_each_stream(absence: Absence) -> None:
    kinds = ["controllerrevisions", "persistentvolumeclaims", "pods", "statefulsets"]
    rows = ask(absence.line, "select kind, cause, closed_at not null from gaps order by kind")
    assert [row for row in rows if row[0] in kinds] == [(kind, "expired-410", 1) for kind in kinds]
    check_as_kubectl(absence.driver, absence.line, "web")
    look_over(absence.line)


@row("W18", how="deleted while away, history lost by an API server restart", part="real")
@TIMEOUT
def test_w18_a_set_deleted_unseen_is_deleted_within_the_gap(absence: Absence) -> None:
    [found] = ask(
        absence.line,
        "select deleted_how, deleted_after is not null, deleted_after <= deleted_at,"
        " exists (select 1 from gaps where gaps.kind = objects.kind"
        "  and deleted_version between last_version and next_version)"
        " from objects where uid = ?",
        absence.before["gone"],
    )
    assert found == ("inferred", 1, 1, 1)
    assert absence.driver.attempt("get", "sts", "gone").exit
    look_over(absence.line)


@row("W19", how="deleted and applied again while away, history lost by a restart", part="real")
@TIMEOUT
def test_w19_a_set_made_again_under_its_name_is_another_incarnation(absence: Absence) -> None:
    old, new = absence.before["again"], uid_of(absence.driver, "again")
    assert ask(
        absence.line,
        "select uid, predecessor, deleted_how from workloads where name = 'again' order by uid = ?",
        new,
    ) == [(old, None, "inferred"), (new, old, None)]
    assert generations(absence.line, "again") == [1]
    check_as_kubectl(absence.driver, absence.line, "again")
    look_over(absence.line)


@row("W23", how="an older copy of etcd's data put back, everything started on it", part="real")
@TIMEOUT
def test_w23_a_restored_etcd_is_a_new_epoch_in_which_what_is_gone_is_deleted(
    breakable: ControlPlane, tmp_path: Path
) -> None:
    namespace = "restored"
    breakable.make_namespace(namespace)
    breakable.make_volumes(4, prefix=namespace)
    driver = Driver(breakable, namespace)
    line = Line(tmp_path / "line", breakable.kubeconfig(WATCHER), namespace)
    with line:
        applied(driver, OLD)
        applied(driver, WEB)
        driver.settled()
        breakable.copied_etcd(tmp_path / "copy")
        driver.run("delete", "sts", "old")
        applied(driver, FRESH)
        driver.run("set", "image", "sts/web", "app=shop/web:2")
        driver.settled()
        write_much(breakable)
        driver.run("annotate", "sts/web", "last=1")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        fresh = uid_of(driver, "fresh")
        breakable.restore_etcd(tmp_path / "copy")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        old = uid_of(driver, "old")
        assert causes(line)["rv-rollback"] >= {"statefulsets", "pods", "controllerrevisions"}
        assert deleted(line) == {old: None, fresh: "inferred", uid_of(driver, "web"): None}
        check_as_kubectl(driver, line, "web")
        check_as_kubectl(driver, line, "old")
        driver.run("scale", "sts/web", "--replicas=1")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=CATCH_UP_SECONDS)
        end(line)


def write_much(plane: ControlPlane) -> None:
    """Move the cluster's resourceVersion on by `WRITES`."""
    api = Api(plane.kubeconfig(ADMIN))
    for number in range(WRITES):
        api.patch("/api/v1/namespaces/default", {"metadata": {"annotations": {"n": str(number)}}})


def uid_of(driver: Driver, name: str) -> str:
    """The uid of the live StatefulSet of this name."""
    return str(driver.get("statefulsets", name)["metadata"]["uid"])


def generations(line: Line, name: str) -> list[int]:
    """The generations that the ledger knows of the newest incarnation of a set."""
    rows = ask(
        line,
        "select distinct generation from set_states where object_id ="
        " (select max(id) from objects where kind = 'statefulsets' and name = ?)"
        " order by generation",
        name,
    )
    return [generation for (generation,) in rows]


def deleted(line: Line) -> dict[str, str | None]:
    """How each StatefulSet's deletion is known; None for those that live."""
    rows = ask(line, "select uid, deleted_how from objects where kind = 'statefulsets'")
    return dict(rows)
