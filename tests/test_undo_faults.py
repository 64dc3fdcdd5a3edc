"""The rows of the fault matrix that are about `undo`, on a real control plane."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import yaml

from ledger.undo import ManagedElsewhere, ToRevision, Wish, apply, plan
from ledger.undo.patch import UNDO_ANNOTATION
from tests.cases import case
from tests.faults import row
from tests.lab import certificates
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.process import wait_until
from tests.lab.users import NOBODY, WATCHER
from tests.lab.workloads import Workload
from tests.undoing import Said, Scene, connected, scene

WEB = Workload("web", "app:1.0", replicas=2, claims=0)


@pytest.fixture(scope="module")
def stage(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One namespace and line for all rows: each has a StatefulSet of its own."""
    with scene(control_plane, tmp_path_factory.mktemp("undo")) as made:
        yield made


def intent_of(stage: Scene, name: str) -> dict[str, Any]:
    """What our annotation on a set says."""
    told: dict[str, Any] = json.loads(
        stage.raw_set(name)["metadata"]["annotations"][UNDO_ANNOTATION]
    )
    return told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("set", "image", "sts/raced", "app=app:3.0"), "its template (containers[app].image)"),
        (("scale", "sts/raced", "--replicas=1"), "its spec beside the template"),
    ],
)
@row("U1", how="kubectl changes the set between the dry run and the patch", part="real")
async def test_u01_a_change_nobody_was_shown_is_never_overwritten(
    stage: Scene, control_plane: Cluster, change: tuple[str, ...], told: str
) -> None:
    raced = replace(WEB, name="raced", image="app:1.1")
    stage.rolled_out(raced, replace(raced, image="app:2.0"))
    async with connected(control_plane) as connection:
        made = await plan(connection, Wish(stage.namespace, "raced"), stage.history())

        def meanwhile(_tried: object) -> bool:
            stage.driver.run(*change)
            return True

        outcome = await apply(connection, made, agreed=meanwhile)
    generation = made.live.status.generation
    assert outcome.ending == "changed meanwhile"
    assert outcome.changed == f"{told}, generation {generation} → {generation + 1}"
    assert stage.raw_set("raced")["metadata"]["generation"] == generation + 1
    assert UNDO_ANNOTATION not in stage.raw_set("raced")["metadata"]["annotations"]
    stage.driver.run("delete", "sts/raced")
    stage.examined()


@row("U3", how="revisionHistoryLimit: 0", part="real")
def test_u03_a_pruned_revision_comes_back_unless_it_held_secrets_that_nobody_sealed(
    stage: Scene,
) -> None:
    pruned = replace(WEB, name="pruned", replicas=1, history_limit=0)
    secret = replace(pruned, image="app:2.0", env={"DB_PASSWORD": "hunter2-and-more"})
    stage.rolled_out(pruned, secret, replace(pruned, image="app:3.0"))
    refused = stage.undo("sts/pruned", "--to-revision", "2", "-y")
    assert (refused.exit, refused.stdout) == (1, "")
    assert refused.stderr.startswith("error: pruned-")
    assert "cannot be restored: secrets were redacted and no original was sealed" in refused.stderr
    assert stage.image("pruned") == "app:3.0"
    done = stage.undo("sts/pruned", "--to-revision", "1", "-y")
    assert done.exit == 0, done.stderr
    assert "as it was recorded; the hash in its name agrees" in done.stdout
    assert stage.image("pruned") == "app:1.0"
    stage.examined()


@case(47, stream="live")
@row("U4", how="an image that cannot be pulled, as in kubernetes#67250", part="real")
def test_u04_one_command_heals_a_stuck_rollback_and_deletes_the_pod_that_blocks_alone(
    stage: Scene,
) -> None:
    stuck = replace(WEB, name="stuck", replicas=3)
    stage.rolled_out(stuck, replace(stuck, image="app:2.0-bad"))
    before = stage.pods("stuck")
    done = stage.undo("sts/stuck", "-y", "--unstick", "--wait", "--timeout", "40s")
    assert done.exit == 0, done.stderr
    assert "stuck-2 is ImagePullBackOff" in done.stdout
    assert [line for line in done.stdout.splitlines() if "deleted" in line] == [
        line for line in done.stdout.splitlines() if line.startswith('pod "stuck-2" deleted')
    ]
    stage.driver.settled("stuck")
    after = stage.pods("stuck")
    assert {name for name in before if before[name] != after[name]} == {"stuck-2"}
    stage.recorded()
    rows = stage.line.items("history", "sts/stuck", "-n", stage.namespace)
    assert [(each["number"], each["status"]) for each in rows] == [
        (3, "complete"),
        (2, "undone"),
        (1, "complete"),
    ]
    stage.examined()


@row("U4", how="the template was set back by kubectl, and the rollback waits", part="real")
def test_u04_a_set_that_was_set_back_already_is_unstuck_without_another_patch(
    stage: Scene,
) -> None:
    again = replace(WEB, name="again", replicas=2)
    # The one before the good one would be the wrong one to go to.
    stage.rolled_out(again, replace(again, image="app:1.5"), replace(again, image="app:2.0-bad"))
    stage.driver.run("rollout", "undo", "sts/again")
    stage.driver.settled("again")
    stage.recorded()
    before, generation = stage.pods("again"), stage.raw_set("again")["metadata"]["generation"]
    tried = stage.undo("sts/again", "--unstick", "--dry-run", "server")
    *_, skipped, deleted = tried.stdout.splitlines()
    what = "skipped rollback (current template already matches revision 4) (server dry run)"
    assert skipped == f"statefulset.apps/again {what}"
    assert deleted.startswith('pod "again-1" deleted (ImagePullBackOff on again-')
    assert deleted.endswith(" (server dry run)")
    assert stage.pods("again") == before
    done = stage.undo("sts/again", "--unstick", "-y", "--wait", "--timeout", "40s")
    assert done.exit == 0, done.stderr
    assert stage.raw_set("again")["metadata"]["generation"] == generation
    stage.driver.settled("again")
    after = stage.pods("again")
    assert {name for name in before if before[name] != after[name]} == {"again-1"}
    assert stage.image("again") == "app:1.5"
    stage.examined()


@case(48, stream="live")
@row("U4", how="a set whose pods are ready, and one that replaces them by itself", part="real")
def test_u04_without_the_trap_no_pod_is_deleted(stage: Scene) -> None:
    calm = replace(WEB, name="calm")
    wide = replace(WEB, name="wide", pods="Parallel")
    stage.rolled_out(calm, replace(calm, image="app:2.0"))
    stage.rolled_out(wide, replace(wide, image="app:2.0-bad"))
    for name in ("calm", "wide"):
        done = stage.undo(f"sts/{name}", "--unstick", "-y", "--wait", "--timeout", "40s")
        assert done.exit == 0, done.stderr
        assert "deleted" not in done.stdout
    stage.examined()


@row("U5", how="partition 1 of 2, and OnDelete", part="real")
def test_u05_the_pods_that_will_not_change_are_named(stage: Scene) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    held = replace(WEB, name="held", spec={"updateStrategy": rolling})
    hand = replace(WEB, name="hand", strategy="OnDelete")
    told = {}
    for each in (held, hand):
        stage.rolled_out(each, replace(each, image="app:2.0"))
        done = stage.undo(
            f"sts/{each.name}", "--to-revision", "1", "-y", "--wait", "--timeout", "30s"
        )
        assert done.exit == 0, done.stderr
        told[each.name] = [li for li in done.stdout.splitlines() if li.startswith("! ")]
    assert "! partition 1: held-0 will not take it" in told["held"]
    assert "! OnDelete: hand-0, hand-1 take it only once they are deleted" in told["hand"]
    stage.examined()


@pytest.fixture(scope="module")
def remade(stage: Scene) -> tuple[str, Said]:
    """The uid of a set that was deleted with its claim and made again otherwise, and what `undo` to
    its template said.
    """
    first = replace(WEB, name="remade", replicas=1, claims=1)
    later = replace(first, image="app:2.0", size="2Gi", spec={"serviceName": "other"})
    stage.rolled_out(first)
    earlier = str(stage.raw_set("remade")["metadata"]["uid"])
    stage.driver.run("delete", "sts/remade", "--wait=true")
    stage.driver.run("delete", "pvc/data-remade-0", "--wait=true")
    stage.rolled_out(later)
    arguments = ("--to-revision", "1", "--incarnation", earlier[:8], "-y")
    return earlier, stage.undo("sts/remade", *arguments)


@row("U6", how="deleted and made again with another service and claim template", part="real")
def test_u06_an_earlier_set_comes_back_in_part_and_what_does_not_is_told(
    stage: Scene, remade: tuple[str, Said]
) -> None:
    earlier, done = remade
    assert done.exit == 0, done.stderr
    told = done.stdout.splitlines()
    assert "! service stays other, was remade then" in told
    assert "! claim data size stays 2Gi, was 1Gi then" in told
    assert f"! it is of an earlier StatefulSet of this name ({earlier[:8]})" in told
    assert stage.image("remade") == "app:1.0"
    assert stage.raw_set("remade")["spec"]["serviceName"] == "other"
    assert intent_of(stage, "remade")["workload"] == earlier
    unknown = stage.undo("sts/remade", "--to-revision", "9", "-y")
    assert unknown.exit == 3
    assert "unable to find specified revision 9 in history" in unknown.stderr
    stage.examined()


@row("U7", how="deleted and made again with a larger claim", part="real")
def test_u07_a_larger_claim_is_told_and_stays_as_it_is(
    stage: Scene, remade: tuple[str, Said]
) -> None:
    told = remade[1].stdout.splitlines()
    assert "! claim data-remade-0 has 2Gi, 1Gi was asked for then: claims never shrink" in told
    assert "- data on the volumes is not rolled back" in told
    claim = stage.driver.get("persistentvolumeclaims", "data-remade-0")
    assert claim["spec"]["resources"]["requests"] == {"storage": "2Gi"}
    stage.examined()


@row("U8", how="a webhook on loopback that refuses every dry run", part="real")
def test_u08_a_webhook_that_cannot_be_tried_stops_it_until_that_is_asked_for(
    stage: Scene,
) -> None:
    hooked = replace(WEB, name="hooked", replicas=1)
    stage.rolled_out(hooked, replace(hooked, image="app:2.0"))
    with refusing_dry_runs(stage.driver, "hooked"):
        stopped = stage.undo("sts/hooked", "-y")
        assert stopped.exit == 1
        assert stopped.stderr.splitlines()[0] == (
            'Error from server: admission webhook "no-dry-runs.example.com" denied the request: '
            "this webhook does not support dry run"
        )
        assert "hint: --skip-server-dry-run" in stopped.stderr
        assert stage.image("hooked") == "app:2.0"
        done = stage.undo("sts/hooked", "-y", "--skip-server-dry-run")
    assert done.exit == 0, done.stderr
    assert stage.image("hooked") == "app:1.0"
    stage.examined()


MARKS: dict[str, dict[str, Any]] = {
    "Argo CD application shop": {
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/StatefulSet:shop/owned"}
    },
    "Flux Kustomization apps": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
    "Helm release db": {"annotations": {"meta.helm.sh/release-name": "db"}},
    "Postgres main": {
        "ownerReferences": [
            {
                "apiVersion": "example.com/v1",
                "kind": "Postgres",
                "name": "main",
                "uid": "0f0f",
                "controller": True,
            }
        ]
    },
}


@row("U9", how="the marks of Argo CD, Flux, Helm and an operator", part="real")
async def test_u09_a_set_that_something_else_manages_is_left_alone_unless_forced(
    stage: Scene, control_plane: Cluster
) -> None:
    owned = replace(WEB, name="owned", replicas=0)
    stage.rolled_out(owned, replace(owned, image="app:2.0"))
    path = stage.driver.path("statefulsets", "owned")
    wish = Wish(stage.namespace, "owned", ToRevision("1"))
    async with connected(control_plane) as connection:
        for owner, marks in MARKS.items():
            stage.driver.api.patch(path, {"metadata": marks})
            made = await plan(connection, wish, stage.history())
            with pytest.raises(ManagedElsewhere) as refused:
                await apply(connection, made)
            told = f"statefulset.apps/owned is managed by {owner}: it may revert this"
            assert refused.value.message == told
            stage.driver.api.patch(path, {"metadata": dict.fromkeys(marks)})
        stage.driver.api.patch(path, {"metadata": marks})
        assert stage.image("owned") == "app:2.0"
    forced = stage.undo("sts/owned", "--to-revision", "1", "-y", "--force")
    assert forced.exit == 0, forced.stderr
    assert stage.image("owned") == "app:1.0"
    stage.examined()


@row("U10", how="a user who may look and not touch, and one who may do nothing", part="real")
def test_u10_without_the_right_it_is_refused_in_the_servers_words(stage: Scene) -> None:
    denied = replace(WEB, name="denied", replicas=0)
    stage.rolled_out(denied, replace(denied, image="app:2.0"))
    generation = stage.raw_set("denied")["metadata"]["generation"]
    for user, verb in ((WATCHER, "patch"), (NOBODY, "get")):
        refused = stage.undo("sts/denied", "--to-revision", "1", "-y", user=user)
        assert refused.exit == 1
        assert refused.stderr.splitlines()[0] == (
            'Error from server (Forbidden): statefulsets.apps "denied" is forbidden: '
            f'User "{user}" cannot {verb} resource "statefulsets" in API group "apps" '
            f'in the namespace "{stage.namespace}"'
        )
        assert len(refused.stderr.splitlines()) == 2
    assert stage.raw_set("denied")["metadata"]["generation"] == generation
    stage.examined()


@contextmanager
def refusing_dry_runs(driver: Driver, target: str) -> Iterator[None]:
    """A validating webhook for the namespace's StatefulSets that takes no dry run."""
    cluster, namespace = driver.cluster, driver.namespace
    authority, pair = certificates.authority_and_serving_certificate()
    server = HTTPServer(("127.0.0.1", 0), _NoDryRuns)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = cluster.home / f"hook-{namespace}"
    folder.mkdir()
    for name, text in (("crt", pair.certificate), ("key", pair.key)):
        (folder / name).write_text(text)
    context.load_cert_chain(folder / "crt", folder / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    name = f"no-dry-runs-{namespace}"
    try:
        hook = _webhook(name, namespace, authority, server.server_port)
        cluster.administer("apply", "-f", "-", stdin=yaml.safe_dump(hook))
        probe = ("annotate", f"sts/{target}", "probe=1", "--dry-run=server", "--overwrite")
        wait_until(lambda: driver.attempt(*probe).exit != 0, what="the webhook", seconds=30.0)
        yield
    finally:
        cluster.administer("delete", f"validatingwebhookconfiguration/{name}")
        server.shutdown()
        serving.join()
        server.server_close()


def _webhook(name: str, namespace: str, authority: str, port: int) -> dict[str, Any]:
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["UPDATE"],
        "resources": ["statefulsets"],
    }
    client = {
        "url": f"https://127.0.0.1:{port}/",
        "caBundle": base64.b64encode(authority.encode()).decode(),
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "no-dry-runs.example.com",
                "rules": [rule],
                "clientConfig": client,
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "sideEffects": "NoneOnDryRun",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


class _NoDryRuns(BaseHTTPRequestHandler):
    """Allows what is meant, and refuses what is only tried."""

    def do_POST(self) -> None:
        """Answer an AdmissionReview."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        answer: dict[str, Any] = {"uid": request["uid"], "allowed": not request.get("dryRun")}
        if request.get("dryRun"):
            answer["status"] = {"code": 400, "message": "this webhook does not support dry run"}
        raw = json.dumps({**review, "request": None, "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
