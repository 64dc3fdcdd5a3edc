"""The tutorial: one StatefulSet's life with everything that kubectl forgets in it.

`web` is created, upgraded, undone, scaled, released in part, broken, healed, pruned,
orphaned, deleted and made again on its old volumes; `db` is replaced by hand. Every
step is one thing a person or a pipeline does on an ordinary day.
"""

from __future__ import annotations

from dataclasses import replace

from tests.lab.driver import Driver
from tests.lab.scenario import (
    Scenario,
    Step,
    applied,
    apply,
    history_limit,
    kubectl,
    partition,
    patch,
    patch_arguments,
)
from tests.lab.settling import Snapshot
from tests.lab.users import BOB, DEPLOYER
from tests.lab.workloads import Workload

CAUSE = "kubernetes.io/change-cause"
WEB = Workload("web", "nginx:1.24", cause="initial 1.24", container="nginx", port=80)
WEB_125 = replace(WEB, image="nginx:1.25", cause="upgrade to 1.25")
WEB_ENV = replace(WEB_125, cause="", env={"LOG_LEVEL": "info"})
WEB_SECRET = replace(
    WEB_125,
    image="nginx:1.29",
    cause="CHG-77: start with --password=hunter2-cause",
    replicas=2,
    env={"DB_PASSWORD": "hunter2-env", "LOG_LEVEL": "info"},
    command=("sh", "-c", "API_TOKEN=hunter2-shell exec nginx"),
)
DB = Workload(
    "db", "postgres:16.1", replicas=2, cause="first database", container="postgres",
    port=5432, strategy="OnDelete",
)  # fmt: skip
SIDECAR = {
    "op": "add",
    "path": "/spec/template/spec/containers/0",
    "value": {"name": "proxy", "image": "envoy:1.31", "ports": [{"containerPort": 15001}]},
}
PORT = {
    "op": "add",
    "path": "/spec/template/spec/containers/0/ports/-",
    "value": {"name": "metrics", "containerPort": 9113},
}


def set_image(name: str, image: str, *, user: str = DEPLOYER) -> Step:
    """A step that changes web's image with `kubectl set image`."""
    return kubectl(name, "set", "image", "sts/web", f"nginx=nginx:{image}", user=user)


def undo(name: str, *arguments: str, user: str = BOB, fails: bool = False) -> Step:
    """A step that undoes web's rollout."""
    return kubectl(name, "rollout", "undo", "sts/web", *arguments, user=user, fails=fails)


def edit_quickly(driver: Driver) -> None:
    """Six template changes in one breath: the controller sees only some of them."""
    editions = [replace(WEB_125, replicas=4, env={"QUICK": str(edit)}) for edit in range(6)]
    manifests = "---\n".join(edition.manifest() for edition in editions)
    driver.run("apply", "-f", "-", user=BOB, stdin=manifests)


def undo_what_is_current(driver: Driver) -> None:
    """Undo to the revision that is already live: kubectl skips it."""
    live = max(driver.snapshot().raw["controllerrevisions"], key=lambda item: item["revision"])
    driver.run("rollout", "undo", "sts/web", f"--to-revision={live['revision']}", user=BOB)


def delete_newest_revision(driver: Driver) -> None:
    """Delete web's live ControllerRevision; the controller makes it again."""
    name = driver.get("statefulsets", "web")["status"]["updateRevision"]
    before = driver.get("controllerrevisions", name)["metadata"]["uid"]
    driver.run("delete", "controllerrevision", name)
    # The controller looks again only when something happens to the set.
    driver.run("annotate", "sts/web", "example.com/reviewed=yes", user=BOB)
    driver.wait_for(lambda found: _uid(found, name) not in ("", before), f"a new {name}")


def _uid(found: Snapshot, name: str) -> str:
    """The uid of the ControllerRevision of that name, or nothing."""
    revisions = [item["metadata"] for item in found.raw["controllerrevisions"]]
    return next((row["uid"] for row in revisions if row["name"] == name), "")


def undo_canary(driver: Driver) -> None:
    """Undo a canary behind its partition, then take the partition away."""
    driver.run("rollout", "undo", "sts/web", user=BOB)
    driver.settled()
    driver.run(*patch_arguments("web", partition(0)))


def orphan_and_change(driver: Driver) -> None:
    """Orphan the pods and apply another template over them."""
    driver.run("delete", "sts", "web", "--cascade=orphan")
    applied(driver, replace(WEB_ENV, image="nginx:1.28", cause="taken over"), user=BOB)


TUTORIAL = Scenario(
    "tutorial",
    volumes=12,
    steps=(
        # 1-8: bumps, copied causes, undo's refusals
        apply("create web with a change cause", WEB),
        apply("upgrade to 1.25 with a change cause", WEB_125),
        apply("add an environment variable, cause removed", WEB_ENV, user=BOB),
        undo("undo to 1.25"),
        undo("undo the undo"),
        undo("undo to revision 1", "--to-revision=1"),
        undo("undo to a revision that never was", "--to-revision=99", fails=True),
        Step("undo to what is live already", undo_what_is_current),
        # 9-12: scale, and a template that returns by apply
        kubectl("scale up to 5", "scale", "sts/web", "--replicas=5", user=BOB),
        apply("apply the 1.25 manifest again", replace(WEB_125, replicas=5)),
        set_image("a pipeline deploys 1.26 under the old cause", "1.26"),
        kubectl("scale down to 4", "scale", "sts/web", "--replicas=4"),
        # 13-18: canaries
        patch("hold back all but one pod", "web", partition(3)),
        set_image("canary 1.27", "1.27"),
        patch("widen the canary", "web", partition(1)),
        patch("complete the canary", "web", partition(0)),
        patch("hold back all but one pod again", "web", partition(3)),
        set_image("canary 1.28", "1.28"),
        Step("undo the canary and lift the partition", undo_canary),
        # 20-22: kubernetes#67250
        set_image("a bad image", "1.28-bad", user=BOB),
        undo("a rollback that sticks", user=BOB),
        kubectl("heal it by deleting the pod", "delete", "pod", "web-3"),
        # 23-27: OnDelete
        apply("create db, replaced by hand only", DB),
        kubectl("upgrade db, nothing moves", "set", "image", "sts/db", "postgres=postgres:16.2"),
        kubectl("replace db-1 by hand", "delete", "pod", "db-1"),
        kubectl("replace db-0 by hand", "delete", "pod", "db-0", user=BOB),
        # 27-33: restarts, limits, late causes, fields
        kubectl("restart web", "rollout", "restart", "sts/web"),
        kubectl("the pipeline restarts web", "rollout", "restart", "sts/web", user=DEPLOYER),
        patch("keep two old revisions only", "web", history_limit(2)),
        set_image("deploy 1.29", "1.29"),
        kubectl("say why, later", "annotate", "sts/web", f"{CAUSE}=CHG-42: 1.29", "--overwrite"),
        kubectl("change an environment variable", "set", "env", "sts/web", "LOG_LEVEL=debug"),
        patch("open a port", "web", [PORT], user=BOB),
        patch("inject a sidecar in front", "web", [SIDECAR], user=DEPLOYER),
        undo("undo the sidecar"),
        Step("six quick edits", edit_quickly),
        Step("delete the newest revision by hand", delete_newest_revision),
        # 38-42: nothing kept but what lives
        patch("keep no old revision", "web", history_limit(0)),
        set_image("deploy 1.30", "1.30"),
        set_image("return to 1.29", "1.29"),
        undo("nothing to undo to", fails=True),
        patch("keep ten again", "web", history_limit(10)),
        # 43-: identity
        kubectl("orphan the pods", "delete", "sts", "web", "--cascade=orphan"),
        apply("adopt them with the first manifest", replace(WEB, replicas=4), user=BOB),
        Step("orphan and adopt with another template", orphan_and_change),
        kubectl("scale down to 1, claims stay", "scale", "sts/web", "--replicas=1"),
        kubectl("delete web", "delete", "sts", "web"),
        apply("make it again on the old volumes", replace(WEB, replicas=3)),
        apply("secrets in env, cause and shell", WEB_SECRET),
        apply("rotate the password", replace(WEB_SECRET, env={"DB_PASSWORD": "hunter3-env"})),
        undo("undo the rotation"),
        kubectl("label the set only", "label", "sts/web", "team=shop"),
        kubectl("delete db with its pods", "delete", "sts", "db", "--cascade=foreground"),
    ),
)
