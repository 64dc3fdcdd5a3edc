"""Who else writes this StatefulSet and may put back what an undo takes away; pure.

GitOps controllers, Helm and operators mark what they manage; a server-side apply owns the fields it
set, and its next one sets them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.keep import controller_of
from ledger.rollout.raw import items, mapping

ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
ARGO_INSTANCE = "argocd.argoproj.io/instance"
ARGO_MANAGERS = ("argocd-controller", "argocd-application-controller")
FLUX = {
    "kustomize.toolkit.fluxcd.io/name": "Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "Flux HelmRelease",
}
HELM_RELEASE = "meta.helm.sh/release-name"
MANAGED_BY = "app.kubernetes.io/managed-by"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever manages the set, as people know it, and whether it is a program that acts by itself
    or on its next release: then an undo needs to be forced.
    """

    told: str
    reverts: bool


def owners(raw_set: Mapping[str, Any]) -> tuple[Owner, ...]:
    """Everybody that manages the set, none twice. Never raises for what an API server gave."""
    return tuple(dict.fromkeys(_owners(raw_set)))


def _owners(raw_set: Mapping[str, Any]) -> Iterator[Owner]:
    metadata = raw_set["metadata"]
    labels, annotations = mapping(metadata.get("labels")), mapping(metadata.get("annotations"))
    managers = set(_template_appliers(metadata))
    yield from _argo(labels, annotations, managers)
    for label, kind in FLUX.items():
        if labels.get(label):
            yield Owner(f"{kind} {labels[label]}", reverts=True)
    release = annotations.get(HELM_RELEASE)
    if release or labels.get(MANAGED_BY) == "Helm":
        yield Owner(f"Helm release {release}" if release else "Helm", reverts=True)
    controller = controller_of(raw_set)
    if controller is not None:
        yield Owner(f"{controller.get('kind')} {controller.get('name')}", reverts=True)
    for manager in sorted(managers.difference(ARGO_MANAGERS)):
        yield Owner(f"server-side apply by {manager}", reverts=True)
    if LAST_APPLIED in annotations:
        yield Owner("kubectl apply", reverts=False)


def _argo(
    labels: Mapping[str, Any], annotations: Mapping[str, Any], managers: set[str]
) -> Iterator[Owner]:
    tracked = annotations.get(ARGO_TRACKING)
    application = str(tracked).partition(":")[0] if tracked else labels.get(ARGO_INSTANCE)
    if application:
        yield Owner(f"Argo CD application {application}", reverts=True)
    elif managers.intersection(ARGO_MANAGERS):
        yield Owner("Argo CD", reverts=True)


def _template_appliers(metadata: Mapping[str, Any]) -> Iterator[str]:
    """The managers whose server-side apply owns a field of the pod template; and Argo CD, which
    applies on the client by default.
    """
    for entry in items(metadata.get("managedFields")):
        owned = mapping(mapping(entry.get("fieldsV1")).get("f:spec"))
        manager = str(entry.get("manager", ""))
        applies = entry.get("operation") == "Apply" or manager in ARGO_MANAGERS
        if applies and "f:template" in owned:
            yield manager
