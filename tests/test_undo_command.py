"""`undo` as people call it, against an API server that does wrong on demand."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ledger.cluster import Cluster
from ledger.undo import Orders, OutcomeUnknown, Wish, apply, plan
from ledger.undo.patch import UNDO_ANNOTATION
from tests.fake_api import CANARY, Asked, FakeApi, answering, refusing
from tests.fake_writes import answer_one
from tests.line import environment
from tests.undoing import Said, ran

UID = "uid-of-web"
NEEDS = {
    "serviceAccountName": "runner",
    "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}],
}


@dataclass
class Caller:
    """Somebody with a kubeconfig for the server."""

    api: FakeApi
    folder: Path

    async def undo(self, *arguments: str) -> Said:
        """`rollout-ledger undo sts/web`, without a ledger and without a terminal."""
        access = ("--kubeconfig", str(self.api.kubeconfig(self.folder)))
        place = ("--data", str(self.folder / "nothing"))
        return await asyncio.to_thread(ran, ["undo", "sts/web", *arguments, *access, *place])

    async def typed(self, *answers: str, more: Sequence[str] = ()) -> str:
        """What a terminal shows of it, given these answers to its questions."""
        ours, theirs = os.openpty()
        access = ("--kubeconfig", str(self.api.kubeconfig(self.folder)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ledger", "undo", "sts/web", *more, *access),
            *("--data", str(self.folder / "nothing")),
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(),
        )
        os.close(theirs)
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        async with asyncio.timeout(60):
            shown, _ = await process.communicate()
        os.close(ours)
        return shown.decode()

    @property
    def raw_set(self) -> dict[str, Any]:
        """The StatefulSet as the server has it."""
        return self.api.objects["statefulsets"]["default/web"]

    @property
    def image(self) -> str:
        """The image that its template names."""
        image: str = self.raw_set["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    def patches(self) -> list[str]:
        """Each patch that was sent: whether it was tried or meant."""
        asked = self.api.requests("patch", "statefulsets")
        return ["tried" if each.query.get("dryRun") else "meant" for each in asked]


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Caller]:
    """A server with `web` on its second revision, whose image the first did not have."""
    api = FakeApi()
    await api.start()
    made = Caller(api, tmp_path)
    templates = [template(number) for number in (1, 2)]
    for number, each in enumerate(templates, start=1):
        revision(api, number, each)
    api.put("statefulsets", "web", replicas=0, template=templates[1])
    made.raw_set["metadata"] |= {"uid": UID, "annotations": None}
    made.raw_set["status"] = {"observedGeneration": 1, "updateRevision": "web-2"}
    yield made
    await api.stop()


def template(number: int) -> dict[str, Any]:
    """A pod template with a password of its own."""
    env = [{"name": "DB_PASSWORD", "value": f"{CANARY}-{number}"}]
    app = {"name": "app", "image": f"app:{number}", "env": env}
    needs = NEEDS if number == 1 else {}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [app], **needs}}


def revision(api: FakeApi, number: int, of: dict[str, Any]) -> None:
    """A ControllerRevision of `web`."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": UID}
    api.objects["controllerrevisions"][f"default/web-{number}"] = {
        "metadata": {
            "name": f"web-{number}",
            "namespace": "default",
            "uid": f"r{number}",
            "ownerReferences": [owner | {"controller": True}],
        },
        "revision": number,
        "data": {"spec": {"template": {"$patch": "replace", **of}}},
    }


async def test_without_a_terminal_it_wants_a_yes_on_the_command_line(caller: Caller) -> None:
    refused = await caller.undo()
    assert (refused.exit, refused.stdout) == (2, "")
    assert refused.stderr.splitlines() == [
        "error: nobody can be asked here",
        "hint: -y goes on without asking",
    ]
    assert caller.patches() == []


async def test_it_is_tried_then_done_and_no_secret_is_shown(caller: Caller) -> None:
    done = await caller.undo("-y", "--reason", "2 leaks", "--ticket", "INC-1")
    assert done.exit == 0, done.stderr
    assert caller.patches() == ["tried", "meant"]
    assert caller.image == "app:1"
    assert CANARY not in done.stdout + done.stderr
    told = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "containers[app].env[DB_PASSWORD] changed (hidden)" in told
    assert "containers[app].image app:2 -> app:1" in told
    assert "! Secret web-tls does not exist: pods will not start" in told
    assert told[-1] == "statefulset.apps/web rolled back"
    intent = json.loads(caller.raw_set["metadata"]["annotations"][UNDO_ANNOTATION])
    assert intent.pop("nonce")
    assert intent == {
        "baseGeneration": 1,
        "revision": 1,
        "label": "1",
        "workload": UID,
        "reason": "2 leaks",
        "ticket": "INC-1",
    }


async def test_what_may_not_be_looked_at_is_told_and_no_secret_is_read(caller: Caller) -> None:
    caller.api.forbidden |= {"secrets", "pods"}
    done = await caller.undo("--dry-run=server")
    assert done.exit == 0, done.stderr
    assert "! Secret web-tls not checked: forbidden" in done.stdout
    assert "! pods not checked: forbidden" in done.stdout
    asked = caller.api.requests("get", "secrets")
    assert all("as=PartialObjectMetadata" in each.headers["Accept"] for each in asked)
    assert (caller.patches(), caller.image) == (["tried"], "app:2")


async def test_a_client_dry_run_sends_no_patch(caller: Caller) -> None:
    done = await caller.undo("--dry-run=client")
    assert done.stdout.splitlines()[-1] == (
        "statefulset.apps/web will roll back to revision 1 (dry run)"
    )
    assert caller.patches() == []


async def test_the_document_says_what_was_done_and_no_secret(caller: Caller) -> None:
    done = await caller.undo("-y", "-o", "json")
    document = json.loads(done.stdout)
    (item,) = document["items"]
    assert document["kind"] == "UndoList"
    assert (item["ending"], item["base_generation"], item["generation"]) == ("rolled back", 1, 2)
    assert (item["source"], item["deleted"]) == ("live", [])
    assert CANARY not in done.stdout


async def test_a_status_that_never_rests_does_not_stop_it(caller: Caller) -> None:
    conflict = refusing(409, "Conflict", "the object has been modified")
    caller.api.faults["patch", "statefulsets"].extend([None, conflict, conflict])
    done = await caller.undo("-y")
    assert (done.exit, caller.image) == (0, "app:1")


async def test_a_change_in_between_is_told_and_nothing_done(caller: Caller) -> None:
    caller.api.faults["patch", "statefulsets"].append(changing_first)
    done = await caller.undo("-y")
    assert done.exit == 1
    assert done.stderr == (
        "statefulset.apps/web was changed meanwhile, nothing done: its spec beside the template, "
        "generation 1 → 2\n"
    )
    assert (caller.image, caller.patches()) == ("app:2", ["tried"])


async def test_an_answer_that_is_lost_is_looked_for_and_not_asked_for_again(
    caller: Caller,
) -> None:
    caller.api.faults["patch", "statefulsets"].extend([None, lost_after])
    done = await caller.undo("-y")
    assert (done.exit, done.stdout.splitlines()[-1]) == (0, "statefulset.apps/web rolled back")
    assert caller.patches() == ["tried", "meant"]


async def test_a_gateways_error_is_no_answer_either(caller: Caller) -> None:
    caller.api.faults["patch", "statefulsets"].extend([None, changing_and_502])
    done = await caller.undo("-y")
    assert done.exit == 1
    assert "was changed meanwhile, nothing done" in done.stderr
    assert caller.patches() == ["tried", "meant"]


async def test_what_became_of_a_lost_patch_may_stay_unknown(caller: Caller) -> None:
    caller.api.faults["patch", "statefulsets"].extend([None, answering(502)])
    connection = await Cluster.connect(str(caller.api.kubeconfig(caller.folder)), None)
    try:
        made = await plan(connection, Wish("default", "web"))
        with pytest.raises(OutcomeUnknown) as unknown:
            await apply(connection, made, Orders(search_seconds=0.2))
    finally:
        await connection.close()
    assert "it is not there so far" in unknown.value.message
    assert caller.patches() == ["tried", "meant"]


async def test_on_a_terminal_it_asks_and_no_is_no(caller: Caller) -> None:
    shown = await caller.typed("n")
    assert "Roll statefulset.apps/web back to revision 1? [y/N]" in shown
    assert shown.endswith("nothing done\n")
    assert caller.patches() == ["tried"]


async def test_on_a_terminal_a_change_in_between_is_planned_and_asked_about_anew(
    caller: Caller,
) -> None:
    caller.api.faults["patch", "statefulsets"].extend([None, changing_first])
    shown = await caller.typed("y", "y")
    assert shown.count("Roll statefulset.apps/web back to revision 1? [y/N]") == 2
    assert "was changed meanwhile, nothing done" in shown
    assert caller.image == "app:1"
    assert caller.raw_set["spec"]["replicas"] == 5


async def test_the_services_own_credentials_are_never_used(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(caller.api.port))
    monkeypatch.setenv("HOME", str(caller.folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    refused = await asyncio.to_thread(ran, ["undo", "sts/web", "-y"])
    assert refused.exit == 1
    assert refused.stderr.splitlines()[0] == "error: there is no kubeconfig"
    assert caller.api.asked == []


async def changing_first(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
    """Somebody scales the set, and then the patch arrives."""
    scaled(api)
    return await answer_one(api, asked, request)


async def changing_and_502(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
    """Somebody scales the set, and the patch never arrives."""
    scaled(api)
    return web.Response(status=502, text="<html>", content_type="text/html")


async def lost_after(api: FakeApi, asked: Asked, request: web.Request) -> web.StreamResponse:
    """The patch is written, and the connection breaks before its answer."""
    answer = await answer_one(api, asked, request)
    assert request.transport
    request.transport.abort()
    return answer


def scaled(api: FakeApi) -> None:
    """A foreign change of the spec."""
    raw_set = api.objects["statefulsets"]["default/web"]
    spec = raw_set["spec"] | {"replicas": 5}
    metadata = raw_set["metadata"] | {"generation": raw_set["metadata"]["generation"] + 1}
    api.objects["statefulsets"]["default/web"] = raw_set | {"spec": spec, "metadata": metadata}
