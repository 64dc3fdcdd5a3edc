"""What the lab asks of any cluster, its own control plane or an outside one."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import yaml

from tests.lab.process import LabError, clean_environment
from tests.lab.users import ADMIN

KUBECTL_SECONDS = 60.0


class Cluster(ABC):
    """A cluster that the lab may do anything to, with a kubeconfig for every user."""

    home: Path
    """A temporary folder for kubeconfigs, caches and logs."""

    @property
    @abstractmethod
    def kubectl(self) -> Path:
        """The kubectl to use with it."""

    @abstractmethod
    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig file of one of `users.GROUPS`."""

    def apply(self, *manifests: Path) -> None:
        """`kubectl apply` manifest files as admin."""
        files = [argument for manifest in manifests for argument in ("-f", str(manifest))]
        self.administer("apply", *files)

    def make_namespace(self, name: str) -> None:
        """Return when the namespace exists, made or found."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.administer("apply", "-f", "-", stdin=yaml.safe_dump(namespace))

    def delete_namespace(self, name: str) -> None:
        """Return when the namespace and all in it are on their way out."""
        self.administer("delete", "namespace", name, "--wait=false")

    def make_volumes(self, count: int, *, prefix: str = "pv", storage_class: str = "lab") -> None:
        """Make empty volumes `<prefix>-001`… that claims of the class can be bound to."""
        names = [f"{prefix}-{number:03}" for number in range(1, count + 1)]
        made = [self._volume(name, storage_class, label=prefix) for name in names]
        self.administer("apply", "-f", "-", stdin=yaml.safe_dump_all(made))

    def delete_volumes(self, prefix: str) -> None:
        """Return when the volumes made with this prefix are on their way out."""
        self.administer("delete", "pv", "-l", f"rollout-ledger-lab={prefix}", "--wait=false")

    def administer(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as admin and return its output; raise LabError if it fails."""
        finished = subprocess.run(
            [self.kubectl, f"--kubeconfig={self.kubeconfig(ADMIN)}", *arguments],
            input=stdin,
            env=clean_environment({"HOME": str(self.home)}),
            capture_output=True,
            text=True,
            timeout=KUBECTL_SECONDS,
            check=False,
        )
        if finished.returncode:
            raise LabError(f"kubectl {arguments[0]}: {finished.stderr.strip()}")
        return finished.stdout

    def volume_source(self, name: str) -> dict[str, Any]:
        """Where a volume's data would lie: on a file server that nobody ever mounts."""
        return {"nfs": {"server": "storage.example.com", "path": f"/exports/{name}"}}

    def _volume(self, name: str, storage_class: str, *, label: str) -> dict[str, Any]:
        """One PersistentVolume, kept when its claim goes."""
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": {"rollout-ledger-lab": label}},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "storageClassName": storage_class,
                **self.volume_source(name),
            },
        }
