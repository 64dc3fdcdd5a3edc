"""The volumes: claims that stay, come back, grow, are deleted, and get another volume.

The names are full of dashes, as people's names are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from tests.lab.driver import Driver
from tests.lab.scenario import Scenario, Step, applied, apply, kubectl, patch
from tests.lab.settling import Snapshot
from tests.lab.users import ADMIN, BOB
from tests.lab.workloads import Workload

MY_DB = Workload("my-db", "postgres:16", 3, container="postgres", port=5432, claim="data-log")
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "lab"},
    "provisioner": "kubernetes.io/no-provisioner",
    "allowVolumeExpansion": True,
}
RETENTION = "persistentVolumeClaimRetentionPolicy"
BOTH = {RETENTION: {"whenDeleted": "Delete", "whenScaled": "Delete"}}
KEPT: dict[str, Any] = {"spec": {RETENTION: {"whenDeleted": "Retain", "whenScaled": "Delete"}}}
RELEASED = "data-log-my-db-2"
LARGER = '{"spec":{"resources":{"requests":{"storage":"3Gi"}}}}'


def storage_class(driver: Driver) -> None:
    """The class of the claims, whose claims may grow."""
    driver.run("apply", "-f", "-", stdin=yaml.safe_dump(CLASS), user=ADMIN)


def claim_is_gone(driver: Driver, name: str) -> None:
    """Wait until no claim has the name."""

    def gone(found: Snapshot) -> bool:
        return all(c["metadata"]["name"] != name for c in found.raw["persistentvolumeclaims"])

    driver.wait_for(gone, f"the end of {name}")


def scale_away(driver: Driver) -> None:
    """Scale down a set whose policy takes the claim."""
    driver.run("scale", "sts/brief", "--replicas=2")
    claim_is_gone(driver, "data-brief-2")


def delete_all(driver: Driver) -> None:
    """Delete a set whose policy takes every claim."""
    driver.run("delete", "sts", "brief")
    for ordinal in range(2):
        claim_is_gone(driver, f"data-brief-{ordinal}")


def another_volume(driver: Driver) -> None:
    """Let the pod go: its claim follows, and a new one is made, on another volume."""
    before = driver.get("persistentvolumeclaims", "data-log-my-db-1")["metadata"]["uid"]
    driver.run("delete", "pod", "my-db-1")

    def replaced(found: Snapshot) -> bool:
        claims = [c["metadata"] for c in found.raw["persistentvolumeclaims"]]
        uids = [c["uid"] for c in claims if c["name"] == "data-log-my-db-1"]
        return bool(uids) and before not in uids

    driver.wait_for(replaced, "a new claim")


def released(driver: Driver) -> None:
    """Delete a claim that no pod uses: its volume is released."""
    driver.run("delete", "pvc", RELEASED)
    claim_is_gone(driver, RELEASED)


def refused(driver: Driver) -> None:
    """Claim templates may not be changed."""
    larger = Workload("later", "nginx:1", 2, size="2Gi", spec={"ordinals": {"start": 3}})
    driver.run("apply", "-f", "-", stdin=larger.manifest(), fails=True)


def freed(driver: Driver) -> None:
    """Clear the uid in the claimRef of the volume that was released last."""
    volumes = driver.snapshot().raw["persistentvolumes"]
    (volume,) = (
        item["metadata"]["name"]
        for item in volumes
        if item["spec"]["claimRef"]["name"] == RELEASED and item["status"]["phase"] == "Released"
    )
    change = '[{"op":"remove","path":"/spec/claimRef/uid"}]'
    driver.run("patch", "pv", volume, "--type=json", "-p", change, user=ADMIN)


def with_other_claims(driver: Driver) -> None:
    """Make the set again with other claims: its pods cannot take them, so each is deleted."""
    applied(driver, replace(MY_DB, claim="journal"))
    for ordinal in reversed(range(3)):
        driver.run("delete", "pod", f"my-db-{ordinal}")


VOLUMES = Scenario(
    "volumes",
    volumes=16,
    steps=(
        Step("a class whose claims may grow", storage_class),
        apply("create my-db", MY_DB),
        kubectl("scale down, the claims stay", "scale", "sts/my-db", "--replicas=1"),
        kubectl("scale up, the same claims", "scale", "sts/my-db", "--replicas=3"),
        kubectl(
            "enlarge a claim by hand",
            *("patch", "pvc", "data-log-my-db-0", "-p", LARGER),
            user=ADMIN,
        ),
        kubectl("delete a claim in use", "delete", "pvc", "data-log-my-db-1", "--wait=false"),
        Step("its pod goes and it gets another volume", another_volume),
        kubectl("scale down again", "scale", "sts/my-db", "--replicas=2"),
        Step("delete the claim nobody uses", released),
        Step("clear the claimRef by hand", freed),
        kubectl("scale up, back on the old volume", "scale", "sts/my-db", "--replicas=3"),
        kubectl("delete my-db, the claims stay", "delete", "sts", "my-db", user=BOB),
        apply("make it again, larger", replace(MY_DB, size="2Gi")),
        kubectl("orphan its pods", "delete", "sts", "my-db", "--cascade=orphan"),
        Step("make it again with other claims", with_other_claims),
        kubectl("scale it to none", "scale", "sts/my-db", "--replicas=0"),
        apply("brief, which keeps nothing", Workload("brief", "nginx:1", 3, spec=BOTH)),
        Step("scale away a claim", scale_away),
        patch("keep the claims after all", "brief", KEPT),
        patch("or rather not", "brief", {"spec": BOTH}),
        Step("delete brief with its claims", delete_all),
        apply(
            "later begins at 4",
            Workload("later", "nginx:1", 2, spec={"ordinals": {"start": 4}}),
        ),
        patch("begin at 3", "later", {"spec": {"ordinals": {"start": 3}}}),
        Step("change what claims ask for", refused),
    ),
)
