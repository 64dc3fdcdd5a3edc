"""What a pod template needs of its namespace: ConfigMaps, Secrets, an account, claims; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.rollout.raw import items, mapping

KINDS = {
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}
_VOLUMES = (
    ("configMap", "configmaps", "name"),
    ("secret", "secrets", "secretName"),
    ("persistentVolumeClaim", "persistentvolumeclaims", "claimName"),
)
_FROM = (("configMapKeyRef", "configmaps"), ("secretKeyRef", "secrets"))
_ENV_FROM = (("configMapRef", "configmaps"), ("secretRef", "secrets"))


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """An object that pods of the template cannot start without."""

    plural: str
    name: str

    @property
    def told(self) -> str:
        """`Secret db-creds`."""
        return f"{KINDS[self.plural]} {self.name}"


def references(template: Mapping[str, Any]) -> tuple[Reference, ...]:
    """What the template names in its namespace, by kind and name; what it marks as optional is left
    out, and so is the ServiceAccount that every namespace has. Never raises for a template that an
    API server has taken.
    """
    spec = mapping(template.get("spec"))
    found = {
        Reference(plural, str(name))
        for plural, name, is_optional in _all(spec)
        if name and not is_optional
    }
    return tuple(sorted(found))


def _all(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    account = spec.get("serviceAccountName")
    if account != "default":
        yield "serviceaccounts", account, False
    for each in items(spec.get("imagePullSecrets")):
        yield "secrets", each.get("name"), False
    for part in ("initContainers", "containers"):
        for container in items(spec.get(part)):
            yield from _of_container(container)
    for volume in items(spec.get("volumes")):
        yield from _of_volume(volume)


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    for entry in items(container.get("env")):
        yield from _named(mapping(entry.get("valueFrom")), _FROM)
    for entry in items(container.get("envFrom")):
        yield from _named(entry, _ENV_FROM)


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    for field, plural, key in _VOLUMES:
        source = mapping(volume.get(field))
        yield plural, source.get(key), bool(source.get("optional"))
    for source in items(mapping(volume.get("projected")).get("sources")):
        yield from _named(source, (("configMap", "configmaps"), ("secret", "secrets")))


def _named(
    holder: Mapping[str, Any], fields: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, Any, bool]]:
    for field, plural in fields:
        source = mapping(holder.get(field))
        yield plural, source.get("name"), bool(source.get("optional"))
