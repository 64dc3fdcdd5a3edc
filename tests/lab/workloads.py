"""Manifests of the StatefulSets that scenarios apply, as a person would write them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True)
class Workload:
    """A StatefulSet to be; `dataclasses.replace` makes the next edition of it."""

    name: str
    image: str
    replicas: int = 3
    cause: str = ""
    container: str = "app"
    env: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    port: int = 8080
    claim: str = "data"
    mount: str = "/data"
    storage_class: str = "lab"
    history_limit: int | None = None
    strategy: str = "RollingUpdate"
    pods: str = "OrderedReady"
    labels: Mapping[str, str] = field(default_factory=dict)
    app: str = ""
    """The label that its selector asks for; its name if empty."""
    size: str = "1Gi"
    claims: int = 1
    """With 0 the pods have no volumes."""
    spec: Mapping[str, Any] = field(default_factory=dict)
    """More of the StatefulSet's spec, over the rest."""
    pod: Mapping[str, Any] = field(default_factory=dict)
    """More of the pods' spec."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the pod template."""

    def manifest(self) -> str:
        """The YAML for `kubectl apply -f -`."""
        return yaml.safe_dump(self._document(), sort_keys=False)

    def _document(self) -> dict[str, Any]:
        """The StatefulSet, without a namespace: kubectl's -n decides."""
        metadata: dict[str, Any] = {"name": self.name, "labels": {"app": self._app, **self.labels}}
        if self.cause:
            metadata["annotations"] = {"kubernetes.io/change-cause": self.cause}
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": metadata,
            "spec": self._spec(),
        }

    def _spec(self) -> dict[str, Any]:
        """The StatefulSet's spec."""
        limit = {} if self.history_limit is None else {"revisionHistoryLimit": self.history_limit}
        labels: dict[str, Any] = {"labels": {"app": self._app}}
        annotations = {"annotations": dict(self.annotations)} if self.annotations else {}
        return {
            "serviceName": self.name,
            "replicas": self.replicas,
            **limit,
            "podManagementPolicy": self.pods,
            **({"updateStrategy": {"type": self.strategy}} if self.strategy else {}),
            "selector": {"matchLabels": {"app": self._app}},
            "template": {
                "metadata": labels | annotations,
                "spec": {"containers": [self._container()], **self.pod},
            },
            **({"volumeClaimTemplates": [self._claim()]} if self.claims else {}),
            **self.spec,
        }

    @property
    def _app(self) -> str:
        """The value of the label app."""
        return self.app or self.name

    def _container(self) -> dict[str, Any]:
        """The one container that the manifest declares."""
        mounts = [{"name": self.claim, "mountPath": self.mount}]
        env = [{"name": name, "value": value} for name, value in self.env.items()]
        return {
            "name": self.container,
            "image": self.image,
            **({"command": list(self.command)} if self.command else {}),
            "ports": [{"name": "main", "containerPort": self.port}],
            **({"env": env} if env else {}),
            **({"volumeMounts": mounts} if self.claims else {}),
        }

    def _claim(self) -> dict[str, Any]:
        """The claim that every pod gets a copy of."""
        return {
            "metadata": {"name": self.claim},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": self.storage_class,
                "resources": {"requests": {"storage": self.size}},
            },
        }
