"""A cluster or broker from outside the lab: only when named, never by accident.

ROLLOUT_LEDGER_TEST_KUBECONFIG must name a kubeconfig whose cluster says itself, by a
label on its kube-system namespace, that it is disposable. KUBECONFIG is never looked
at: tests must not be able to reach somebody's production.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.lab import build, users
from tests.lab.cluster import Cluster
from tests.lab.process import LabError
from tests.lab.topics import Topics

KUBECONFIG = "ROLLOUT_LEDGER_TEST_KUBECONFIG"
BROKER = "ROLLOUT_LEDGER_TEST_KAFKA"
LABEL = "rollout-ledger-test"
RIGHTS = Path(__file__).parent / "rights.yaml"


class OutsideBroker(Topics):
    """A broker that somebody else runs."""

    def __init__(self, address: str) -> None:
        """Remember where it is; connects when asked to do something."""
        self._address = address

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return self._address


def outside_broker() -> OutsideBroker | None:
    """The broker that tests shall use instead of their own, or None."""
    named = os.environ.get(BROKER)
    return OutsideBroker(named) if named else None


def outside_kubeconfig() -> Path | None:
    """The kubeconfig of the cluster that tests shall use instead of their own, or None."""
    named = os.environ.get(KUBECONFIG)
    return Path(named) if named else None


class OutsideCluster(Cluster):
    """A disposable cluster; users are impersonated by its administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        """Refuse, with LabError, a cluster that is not labelled as disposable."""
        found = shutil.which("kubectl")
        self._kubectl = Path(found) if found else build.control_plane_bin() / "kubectl"
        self.home = Path(tempfile.mkdtemp(prefix="rollout-ledger-lab-"))
        atexit.register(self.stop)
        self._flat = kubeconfig.read_text()
        self._flat = self._flattened()
        self._check_disposable()
        self.apply(RIGHTS)

    @property
    def kubectl(self) -> Path:
        """The machine's own kubectl, else the lab's."""
        return self._kubectl

    def stop(self) -> None:
        """Remove our kubeconfigs; what tests made in the cluster they remove themselves."""
        shutil.rmtree(self.home, ignore_errors=True)

    def kubeconfig(self, user: str) -> Path:
        """The given kubeconfig, acting as `user`; the administrator acts as itself."""
        path = self.home / f"{user.replace(':', '-')}.yaml"
        if not path.exists():
            config: dict[str, Any] = yaml.safe_load(self._flat)
            if user != users.ADMIN:
                config["users"][0]["user"]["as"] = user
            users.write_private(path, yaml.safe_dump(config))
        return path

    def volume_source(self, name: str) -> dict[str, Any]:
        """A folder on the node: a real kubelet must be able to mount it."""
        return {"hostPath": {"path": f"/tmp/rollout-ledger/{name}", "type": "DirectoryOrCreate"}}

    def _flattened(self) -> str:
        """The current context of the given kubeconfig with all its data inline."""
        users.write_private(self.home / "given.yaml", self._flat)
        return self.administer("config", "view", "--raw", "--minify", "--flatten")

    def _check_disposable(self) -> None:
        """Raise LabError unless the cluster says that it may be destroyed."""
        shown = self.administer("get", "namespace", "kube-system", "-o", "yaml")
        labels = yaml.safe_load(shown)["metadata"].get("labels", {})
        if labels.get(LABEL) != "disposable":
            raise LabError(
                f"the cluster of {KUBECONFIG} is not for tests: "
                f"its kube-system namespace has no label {LABEL}=disposable"
            )
