"""`undo -o kubectl` beside `kubectl rollout undo`, on twins that went through the same; and what we
do otherwise on purpose, each with its test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.cases import case
from tests.lab.cluster import Cluster
from tests.lab.users import ALICE, WATCHER
from tests.lab.workloads import Workload
from tests.undoing import Said, Scene, scene

APP = Workload("", "app:1.0", replicas=1, claims=0)
TWINS = ("kubes", "ours")


@pytest.fixture(scope="module")
def stage(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One namespace and line for all twins."""
    with scene(control_plane, tmp_path_factory.mktemp("oracle")) as made:
        yield made


@dataclass
class Twins:
    """Two StatefulSets that differ in their names alone: one for kubectl, one for us."""

    stage: Scene
    name: str

    def become(self, edition: Workload) -> None:
        """Apply the edition to both."""
        named = [replace(edition, name=f"{self.name}-{twin}") for twin in TWINS]
        for each in named:
            self.stage.driver.run("apply", "-f", "-", stdin=each.manifest())
        self.stage.recorded()

    def run(self, *arguments: str) -> None:
        """kubectl on both; `{}` stands for the name."""
        for twin in TWINS:
            named = [each.replace("{}", f"{self.name}-{twin}") for each in arguments]
            self.stage.driver.run(*named)
        self.stage.recorded()

    def undo(self, *arguments: str, user: str = ALICE) -> tuple[Said, Said]:
        """What kubectl said of its twin and we of ours, in the words of one name."""
        kubes = self.stage.driver.attempt(
            "rollout", "undo", f"sts/{self.name}-kubes", *arguments, user=user
        )
        ours = self.stage.undo(
            f"sts/{self.name}-ours", "-o", "kubectl", "-y", *arguments, user=user
        )
        self.stage.recorded()
        theirs = Said(kubes.exit, kubes.stdout, kubes.stderr)
        return _unnamed(theirs), _unnamed(ours)

    def check(self, *arguments: str, user: str = ALICE) -> Said:
        """Both undone; messages, templates and revisions are equal. What kubectl said."""
        kubes, ours = self.undo(*arguments, user=user)
        assert (ours.exit, ours.stdout) == (kubes.exit, kubes.stdout), ours.stderr
        # What kubectl warns of before it fails, we find out only with a plan.
        told = [each for each in kubes.stderr.splitlines() if not (kubes.exit and "Warn" in each)]
        assert [line for line in told if line not in ours.stderr.splitlines()] == []
        assert self.state("kubes") == self.state("ours")
        return kubes

    def state(self, twin: str) -> Any:
        """The twin's template, and the number and template of each of its revisions."""
        name = f"{self.name}-{twin}"
        raw_set = self.stage.raw_set(name)
        revisions = [
            (each["revision"], each["data"]["spec"]["template"])
            for each in self.stage.driver.api.items("controllerrevisions", self.stage.namespace)
            if each["metadata"]["ownerReferences"][0]["uid"] == raw_set["metadata"]["uid"]
        ]
        told = [raw_set["spec"]["template"], sorted(revisions, key=lambda each: each[0])]
        return json.loads(json.dumps(told).replace(name, self.name))


def _unnamed(said: Said) -> Said:
    stdout, stderr = (
        text.replace("-kubes", "").replace("-ours", "") for text in (said.stdout, said.stderr)
    )
    return Said(said.exit, stdout, stderr)


def image(twins: Twins, twin: str) -> str:
    """The image of a twin's template."""
    return twins.stage.image(f"{twins.name}-{twin}")


@case(7, stream="live")
@case(8, stream="live")
@pytest.mark.timeout(240)
def test_we_say_and_do_what_kubectl_does_where_its_ways_are_wanted(stage: Scene) -> None:
    twins = Twins(stage, "same")
    twins.become(APP)
    assert twins.check().stderr.endswith("error: no last revision to roll back to\n")
    twins.become(replace(APP, image="app:2.0"))
    assert twins.check("--dry-run=server").stdout.endswith("rolled back (server dry run)\n")
    assert twins.check().stdout == "statefulset.apps/same rolled back\n"
    twins.check()
    twins.run("rollout", "restart", "sts/{}")
    twins.check("--to-revision=3")
    assert "skipped rollback (current template already matches revision 6)" in (
        twins.check("--to-revision=6").stdout
    )
    twins.check("--to-revision=6", "--dry-run=server")
    for unknown in ("99", "-1"):
        assert "unable to find specified revision" in twins.check(f"--to-revision={unknown}").stderr
    twins.run("scale", "sts/{}", "--replicas=2")
    partition = (
        '{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":1}}}}'
    )
    twins.run("patch", "sts/{}", "-p", partition)
    twins.check("--to-revision=0")
    by_hand = {"type": "OnDelete", "rollingUpdate": None}
    twins.run("patch", "sts/{}", "-p", json.dumps({"spec": {"updateStrategy": by_hand}}))
    twins.check()
    refused = twins.check(user=WATCHER)
    assert "error: failed restoring revision 0: statefulsets.apps" in refused.stderr


def test_a_set_that_does_not_exist_is_told_as_kubectl_tells_it(stage: Scene) -> None:
    kubes = stage.driver.attempt("rollout", "undo", "sts/nobody")
    ours = stage.undo("sts/nobody", "-o", "kubectl", "-y")
    assert (ours.exit, ours.stdout, ours.stderr) == (kubes.exit, kubes.stdout, kubes.stderr)


def test_otherwise_previous_is_what_worked_before_and_not_the_second_highest_number(
    stage: Scene,
) -> None:
    twins = Twins(stage, "worked")
    for tag in ("1.0", "2.0-bad", "3.0"):
        twins.become(replace(APP, image=f"app:{tag}"))
        # The bad pod would hold the next rollout up for ever.
        if tag.endswith("bad"):
            twins.run("delete", "pod", "{}-0", "--wait=false")
    twins.undo()
    assert (image(twins, "kubes"), image(twins, "ours")) == ("app:2.0-bad", "app:1.0")


@case(5, stream="live")
def test_otherwise_a_number_that_was_renumbered_still_means_its_template(stage: Scene) -> None:
    twins = Twins(stage, "renumbered")
    twins.become(APP)
    twins.become(replace(APP, image="app:2.0"))
    twins.check()
    twins.become(replace(APP, image="app:3.0"))
    kubes, ours = twins.undo("--to-revision=1")
    assert (kubes.exit, ours.exit) == (1, 0)
    assert (image(twins, "kubes"), image(twins, "ours")) == ("app:3.0", "app:1.0")


def test_otherwise_the_client_dry_run_does_not_describe_a_template(stage: Scene) -> None:
    twins = Twins(stage, "tried")
    twins.become(APP)
    twins.become(replace(APP, image="app:2.0"))
    kubes, ours = twins.undo("--dry-run=client")
    assert kubes.stdout.startswith("statefulset.apps/tried will roll back to Pod Template:\n")
    assert ours.stdout == "statefulset.apps/tried will roll back to revision 1 (dry run)\n"
    assert twins.state("kubes") == twins.state("ours")


def test_otherwise_a_set_that_something_else_manages_is_refused_without_force(
    stage: Scene,
) -> None:
    twins = Twins(stage, "managed")
    flux = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    twins.become(replace(APP, labels=flux))
    twins.become(replace(APP, image="app:2.0", labels=flux))
    kubes, ours = twins.undo()
    assert (kubes.exit, ours.exit) == (0, 1)
    assert (image(twins, "kubes"), image(twins, "ours")) == ("app:1.0", "app:2.0")


def test_otherwise_a_bad_dry_run_value_is_a_wrong_call(stage: Scene) -> None:
    kubes = stage.driver.attempt("rollout", "undo", "sts/any", "--dry-run=maybe")
    ours = stage.undo("sts/any", "-o", "kubectl", "--dry-run=maybe")
    assert (kubes.exit, ours.exit) == (1, 2)
    assert ours.stderr == kubes.stderr
