"""`undo` says what it did and does what was agreed to, whatever the API server answers."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ledger.cluster import Cluster
from ledger.model import timestamp, utc_now
from ledger.undo import Orders, OutcomeUnknown, Wish, apply, plan
from tests.fake_api import Asked, FakeApi, answering, refusing
from tests.fake_writes import answer_one
from tests.lab.recording import STREAMS
from tests.recorded import folded, values_of
from tests.test_undo_command import UID, Caller, caller, template
from tests.undoing import ran

__all__ = ["caller"]
REVISION = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "controller": True}


def stuck_pod(api: FakeApi, name: str = "web-0") -> None:
    """A pod of the second revision whose image cannot be pulled."""
    raw = api.put("pods", name)
    raw["metadata"] |= {
        "ownerReferences": [REVISION | {"uid": UID}],
        "labels": {"controller-revision-hash": "web-2", "app": "web"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    waiting = {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    raw["status"] = {"phase": "Pending", "containerStatuses": [waiting]}


def stuck(caller: Caller, *pods: str) -> None:
    """The set waits for these pods, and its controller sees every write at once."""
    caller.raw_set["spec"]["replicas"] = len(pods)
    caller.raw_set["status"] = {"observedGeneration": 9, "updateRevision": "web-1"}
    for pod in pods:
        stuck_pod(caller.api, pod)


def set_back(caller: Caller) -> None:
    """It was set back to the first revision already, and waits for a pod of the second."""
    stuck(caller, "web-0")
    caller.raw_set["spec"]["template"] = template(1)
    revisions = caller.api.objects["controllerrevisions"]
    revisions["default/web-1"]["revision"] = 3
    for number, day in ((1, 1), (2, 2)):
        metadata = revisions[f"default/web-{number}"]["metadata"]
        metadata["creationTimestamp"] = f"2026-01-0{day}T00:00:00Z"


@pytest.mark.parametrize(("answer", "deleted"), [("n", 0), ("y", 1)])
async def test_a_pod_of_a_set_that_needs_no_patch_is_not_deleted_unasked(
    caller: Caller, answer: str, deleted: int
) -> None:
    set_back(caller)
    shown = await caller.typed(answer, more=("--unstick",))
    assert 'Delete pod "web-0"?' in shown
    assert len(caller.api.requests("delete", "pods")) == deleted
    assert ("no pod was deleted" in shown) is (deleted == 0)


async def test_the_question_names_the_pods_that_would_go(caller: Caller) -> None:
    stuck(caller, "web-0")
    shown = await caller.typed("n", more=("--unstick",))
    assert 'back to revision 1, and delete pod "web-0"?' in shown
    assert caller.api.requests("delete", "pods") == []


async def test_followed_in_json_the_document_is_alone_on_stdout(caller: Caller) -> None:
    stuck(caller)
    done = await caller.undo("-y", "-o", "json", "--wait", "--timeout", "5s")
    assert json.loads(done.stdout)["items"][0]["ending"] == "rolled back"
    assert "complete" in done.stderr


async def test_what_was_done_is_told_though_a_pod_may_not_be_deleted(caller: Caller) -> None:
    stuck(caller, "web-0")
    caller.api.faults["delete", "pods"].append(refusing(403, "Forbidden", "no such right"))
    done = await caller.undo("-y", "-o", "json", "--unstick")
    assert (done.exit, caller.image) == (1, "app:1")
    assert json.loads(done.stdout)["items"][0]["ending"] == "rolled back"
    assert "no such right" in done.stderr


async def test_each_pod_is_told_when_it_was_deleted_though_the_next_is_not(caller: Caller) -> None:
    stuck(caller, "web-0", "web-1")
    refused = refusing(500, "InternalError", "etcdserver: request timed out")
    caller.api.faults["delete", "pods"].extend([None, refused])
    done = await caller.undo("-y", "--unstick")
    assert (done.exit, len(caller.api.objects["pods"])) == (1, 1)
    assert done.stdout.count(" deleted (") == 1


async def test_a_pod_that_changed_meanwhile_is_not_foreseen_to_go(caller: Caller) -> None:
    stuck(caller, "web-0")
    caller.api.faults["delete", "pods"].append(refusing(409, "Conflict", "precondition"))
    tried = await caller.undo("--dry-run=server", "--unstick")
    assert (tried.exit, "deleted (" in tried.stdout) == (0, False)


async def test_without_a_ledger_nothing_is_fresh(caller: Caller) -> None:
    done = await caller.undo("-y", "--fresh")
    assert (done.exit, done.stdout, caller.patches()) == (3, "", [])
    assert done.stderr.startswith("error: there is no ledger here that could be fresh\n")


async def put_back(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
    """An admission webhook keeps the template as it is."""
    del asked, request
    return web.json_response(api.objects["statefulsets"]["default/web"])


@pytest.mark.parametrize("skips", [[], ["--skip-server-dry-run"]])
async def test_a_template_that_is_put_back_is_not_called_the_wanted_one(
    caller: Caller, skips: list[str]
) -> None:
    caller.api.faults["patch", "statefulsets"].append(put_back)
    done = await caller.undo("-y", *skips)
    assert (done.exit, caller.image) == (1, "app:2")
    assert "rolled back" not in done.stdout
    assert "keeps the template of statefulset.apps/web as it is" in done.stderr


async def test_what_the_server_keeps_otherwise_is_told_without_a_trial_too(caller: Caller) -> None:
    async def altering(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        await answer_one(api, asked, request)
        raw = copy.deepcopy(api.objects["statefulsets"]["default/web"])
        raw["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/app:1"
        return web.json_response(raw)

    caller.api.faults["patch", "statefulsets"].append(altering)
    done = await caller.undo("-y", "-o", "json", "--skip-server-dry-run")
    assert json.loads(done.stdout)["items"][0]["altered"] == ["containers[app].image"]
    assert "would keep another containers[app].image" in done.stderr


@pytest.mark.parametrize("then", ["deleted", "replaced"])
async def test_after_a_lost_answer_nothing_done_is_said_only_where_that_is_sure(
    caller: Caller, then: str
) -> None:
    async def lost(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
        before = copy.deepcopy(api.objects["statefulsets"]["default/web"])
        await answer_one(api, asked, request)
        now = api.objects["statefulsets"].pop("default/web")
        if then == "replaced":  # kubectl replace drops the annotation
            before["metadata"]["generation"] = now["metadata"]["generation"] + 1
            api.objects["statefulsets"]["default/web"] = before
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    caller.api.faults["patch", "statefulsets"].extend([None, lost])
    with pytest.raises(OutcomeUnknown):
        await applied(caller)


async def applied(caller: Caller) -> Any:
    """What comes of an undo that is soon given up looking for."""
    connection = await Cluster.connect(str(caller.api.kubeconfig(caller.folder)), None)
    try:
        made = await plan(connection, Wish("default", "web"))
        return await apply(connection, made, Orders(search_seconds=0.6))
    finally:
        await connection.close()


async def test_a_server_that_is_too_busy_has_not_written(caller: Caller) -> None:
    busy = answering(429, "too many requests", retry_after="1")
    caller.api.faults["patch", "statefulsets"].extend([None, busy])
    done = await caller.undo("-y")
    assert (done.exit, caller.image) == (1, "app:2")
    assert "the answer to the patch was lost" not in done.stderr


async def test_a_revision_without_a_template_is_no_hindrance(caller: Caller) -> None:
    broken = copy.deepcopy(caller.api.objects["controllerrevisions"]["default/web-1"])
    broken["metadata"] |= {"name": "web-0", "uid": "r0"}
    broken |= {"revision": 0, "data": {}}
    caller.api.objects["controllerrevisions"]["default/web-0"] = broken
    done = await caller.undo("-y")
    assert (done.exit, caller.image) == (0, "app:1"), done.stderr


async def test_another_clusters_ledger_is_refused(caller: Caller, tmp_path: Path) -> None:
    values = await asyncio.to_thread(values_of, STREAMS / "rollouts.jsonl.zst")
    ledger = folded(values, tmp_path / "staging.db")
    caller.api.put("statefulsets", "plain", replicas=0, template=template(2))
    raw_set = caller.api.objects["statefulsets"]["default/plain"]
    raw_set["metadata"]["uid"] = "uid-of-another-plain"
    access = ("--kubeconfig", str(caller.api.kubeconfig(tmp_path)), "--ledger", str(ledger))
    now = timestamp(utc_now())
    done = await asyncio.to_thread(ran, ["undo", "sts/plain", "-y", "--to-time", now, *access])
    assert (done.exit, done.stdout, caller.patches()) == (1, "", [])
    assert done.stderr.startswith("error: the ledger is of cluster ")
