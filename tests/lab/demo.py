"""The demo: a quarter of an hour in a shop's two namespaces, at a real cluster's pace.

Alice is on call, Bob develops the shop, a pipeline deploys it. The web tier is
released many times more than its revisionHistoryLimit of 3 lets Kubernetes remember;
a bad image gets stuck and is healed; Kafka is released as a canary, deleted by mistake
and made again on its old volumes; a database password is rotated. At the end a canary
of the web tier is still held back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tests.lab.driver import Driver
from tests.lab.scenario import Scenario, Step, applied, partition, patch_arguments
from tests.lab.settling import Snapshot
from tests.lab.users import ALICE, BOB, DEPLOYER
from tests.lab.workloads import Workload

SHOP, DATA = "shop", "data"
CAUSE = "kubernetes.io/change-cause"

WEB = Workload(
    "web",
    "shop/web:2.3.0",
    cause="CHG-1518: web 2.3.0",
    container="web",
    env={"LOG_LEVEL": "info", "BASKET": "classic"},
    claim="cache",
    mount="/var/cache/web",
    storage_class="standard",
    history_limit=3,
    labels={"team": "storefront"},
)
WEB_240 = replace(WEB, image="shop/web:2.4.0", cause="CHG-1530: web 2.4.0, faster checkout")
WEB_260 = replace(WEB, image="shop/web:2.6.0", cause="CHG-1541: web 2.6.0, new search")
POSTGRES = Workload(
    "postgres",
    "postgres:16.8",
    replicas=2,
    cause="CHG-1502: orders database",
    container="postgres",
    env={"POSTGRES_USER": "orders", "POSTGRES_PASSWORD": "hunter2-orders", "PGDATA": "/data/pg"},
    port=5432,
    storage_class="standard",
    labels={"team": "orders"},
)
POSTGRES_ROTATED = replace(
    POSTGRES,
    replicas=3,
    cause="SEC-88: rotate the orders password",
    env={**POSTGRES.env, "POSTGRES_PASSWORD": "correct-horse-9"},
)
KAFKA = Workload(
    "kafka",
    "apache/kafka:4.0.1",
    cause="CHG-1507: kafka for order events",
    container="broker",
    env={"KAFKA_HEAP_OPTS": "-Xmx4g", "KAFKA_LOG_RETENTION_HOURS": "72"},
    port=9092,
    claim="log",
    mount="/var/lib/kafka",
    storage_class="standard",
    pods="Parallel",
    labels={"team": "platform"},
)
KAFKA_411 = replace(KAFKA, image="apache/kafka:4.1.1", cause="CHG-1533: kafka 4.1.1")
KAFKA_RESTORED = replace(KAFKA_411, cause="INC-2041: bring kafka back on its volumes")
PROXY = {
    "name": "linkerd-proxy",
    "image": "linkerd/proxy:2.19.1",
    "env": [{"name": "LINKERD2_PROXY_LOG", "value": "warn"}],
    "ports": [{"name": "linkerd-admin", "containerPort": 4191}],
}
INJECTED = [
    {"op": "add", "path": "/spec/template/spec/containers/0", "value": PROXY},
    {
        "op": "add",
        "path": "/spec/template/metadata/annotations",
        "value": {"linkerd.io/inject": "enabled"},
    },
]


def does(name: str, *arguments: str, user: str, namespace: str = SHOP, fails: bool = False) -> Step:
    """A step of one command that returns while pods are still moving."""

    def act(driver: Driver) -> None:
        driver.run(*arguments, user=user, namespace=namespace, fails=fails)

    return Step(name, act, settles=False)


def applies(name: str, workload: Workload, *, user: str, namespace: str = SHOP) -> Step:
    """A step that applies a manifest and returns while pods are still moving."""

    def act(driver: Driver) -> None:
        applied(driver, workload, user=user, namespace=namespace)

    return Step(name, act, settles=False)


def waits(name: str, *sets: str) -> Step:
    """A step in which somebody waits until these sets (`namespace/name`) are at rest."""

    def act(driver: Driver) -> None:
        for each in sets:
            namespace, _, workload = each.partition("/")
            driver.settled(workload, namespace=namespace)

    return Step(name, act, settles=False)


def watches(name: str, set_name: str, count: int) -> Step:
    """A step in which somebody waits until `count` pods of a shop set are on its update."""

    def act(driver: Driver) -> None:
        driver.wait_for(_updated(set_name, count), f"{count} updated pods of {set_name}")

    return Step(name, act, settles=False)


def rests(name: str, seconds: float) -> Step:
    """A step in which nobody does anything for a while, as on most days."""
    return Step(name, lambda driver: time.sleep(seconds), settles=False)


def _updated(set_name: str, count: int) -> Callable[[Snapshot], bool]:
    """Whether the set's status counts at least `count` updated pods and saw the last write."""

    def judge(found: Snapshot) -> bool:
        for item in found.only([set_name]).raw["statefulsets"]:
            status = item["status"]
            seen = status.get("observedGeneration") == item["metadata"]["generation"]
            return bool(seen and status.get("updatedReplicas", 0) >= count)
        return False

    return judge


DEMO = Scenario(
    "demo",
    volumes=12,
    storage_class="standard",
    namespaces=(SHOP, DATA),
    steps=(
        # morning: everything is installed
        applies("alice installs the database", POSTGRES, user=ALICE),
        applies("alice installs kafka", KAFKA, user=ALICE, namespace=DATA),
        applies("the pipeline installs web 2.3.0", WEB, user=DEPLOYER),
        waits("everything is up", "shop/postgres", "data/kafka", "shop/web"),
        rests("the first customers come", 30),
        # a good release, and kafka's canary beside it
        applies("the pipeline releases web 2.4.0", WEB_240, user=DEPLOYER),
        does(
            "alice holds kafka back to one broker",
            *patch_arguments("kafka", partition(2)), user=ALICE, namespace=DATA,
        ),
        applies("alice tries kafka 4.1.1 on it", KAFKA_411, user=ALICE, namespace=DATA),
        waits("kafka's canary is up", "data/kafka"),
        waits("web 2.4.0 is out", "shop/web"),
        rests("alice watches kafka's canary", 20),
        does(
            "alice lets kafka 4.1.1 go everywhere",
            *patch_arguments("kafka", partition(0)), user=ALICE, namespace=DATA,
        ),
        # a release overtaken by the next one, and a feature switch
        does("the pipeline releases web 2.4.1", "set", "image", "sts/web",
             "web=shop/web:2.4.1", user=DEPLOYER),
        watches("its first pod is replaced", "web", 1),
        does("the pipeline overtakes it with 2.4.2", "set", "image", "sts/web",
             "web=shop/web:2.4.2", user=DEPLOYER),
        waits("web 2.4.2 and kafka 4.1.1 are out", "shop/web", "data/kafka"),
        does("bob switches the new basket on", "set", "env", "sts/web", "BASKET=new", user=BOB),
        applies("alice rotates the password, and adds a replica", POSTGRES_ROTATED, user=ALICE),
        waits("the new basket is out", "shop/web"),
        # the bad image: kubernetes#67250
        does("bob releases an image that does not exist", "set", "image", "sts/web",
             "web=shop/web:2.5.0-bad", user=BOB),
        waits("it is stuck", "shop/web"),
        does("bob undoes it", "rollout", "undo", "sts/web", user=BOB),
        waits("the rollback is stuck as well", "shop/web", "shop/postgres"),
        does("alice looks", "get", "pods", "-l", "app=web", user=ALICE),
        does("alice deletes the stuck pod", "delete", "pod", "web-2", "--wait=false", user=ALICE),
        waits("web is healed", "shop/web"),
        rests("everybody breathes out", 20),
        does("alice says why, later", "annotate", "sts/web", "--overwrite",
             f"{CAUSE}=INC-2038: 2.5.0 was never pushed, back to 2.4.2", user=ALICE),
        # the mesh, a smaller database, and a mistake
        does("the pipeline injects the mesh's sidecar",
             *patch_arguments("web", INJECTED), user=DEPLOYER),
        does("alice takes the third replica away", "scale", "sts/postgres", "--replicas=2",
             user=ALICE),
        does("bob deletes kafka by mistake", "delete", "sts", "kafka", "--wait=false",
             user=BOB, namespace=DATA),
        waits("the sidecar is out", "shop/web", "shop/postgres", "data/kafka"),
        rests("somebody notices that kafka is gone", 15),
        applies("alice brings kafka back on its volumes", KAFKA_RESTORED, user=ALICE,
                namespace=DATA),
        # restart, an old manifest, and back
        does("bob restarts web", "rollout", "restart", "sts/web", user=BOB),
        waits("web has restarted and kafka is back", "shop/web", "data/kafka"),
        applies("the pipeline runs an old job again", WEB_240, user=DEPLOYER),
        waits("the old job is out", "shop/web"),
        rests("customers miss the new basket", 30),
        does("bob looks at the history", "rollout", "history", "sts/web", user=BOB),
        does("bob undoes the old job", "rollout", "undo", "sts/web", user=BOB),
        waits("web is back", "shop/web"),
        rests("a quiet afternoon", 40),
        does("bob raises the database's log level", "set", "env", "sts/postgres",
             "LOG_MIN_MESSAGES=info", user=BOB),
        does("bob asks for a revision that is gone", "rollout", "undo", "sts/web",
             "--to-revision=2", user=BOB, fails=True),
        # evening: a canary is left for the night
        does("alice holds web back to one pod", *patch_arguments("web", partition(2)),
             user=ALICE),
        applies("the pipeline tries web 2.6.0 on it", WEB_260, user=DEPLOYER),
        waits("the canary stays for the night", "shop/web", "shop/postgres"),
    ),
)  # fmt: skip
