"""Which cluster, as whom: kubectl's rules for kubeconfig files, and what a user reads when they do
not fit.

The context is settled once: `kubectl config use-context` in another terminal must not turn a
running watcher to another cluster. Reading the credentials themselves is the Kubernetes library's
part (cluster.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ledger.errors import ConfigurationInvalid

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FILE_KEYS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
NAME_ANOTHER = "name a kubeconfig with --kubeconfig or in the environment's KUBECONFIG"

Stamp = tuple[str, int, int, int]

ServiceAccount = Literal["never", "last", "only"]
"""When the service account of the pod is used."""


@dataclass(frozen=True, slots=True)
class Access:
    """The way to one cluster: kubeconfig files, merged as kubectl does, and a context of theirs.

    Without files it is the service account of the pod we run in.
    """

    paths: tuple[Path, ...]
    context: str
    server: str
    files: tuple[Path, ...]
    """Every file that credentials are read from."""

    impersonation: tuple[tuple[str, str], ...] = ()
    """Request headers for the user's `as`, which the library does not know."""

    namespace: str = "default"
    """Where kubectl looks when nothing else is said."""

    def stamps(self) -> tuple[Stamp, ...]:
        """Changes when any of the files does: a token or CA was rotated, or a login renewed."""
        return tuple(_stamp(path) for path in self.files)


def find_access(
    kubeconfig: str | None, context: str | None, *, service_account: ServiceAccount = "last"
) -> Access:
    """The file named, else the files of KUBECONFIG, else ~/.kube/config, else, where that is
    allowed, the pod's own service account; or that alone.

    Raises ConfigurationInvalid when there is none of these, a file cannot be read, or the context
    or what it names is not in them.
    """
    if service_account == "only" and (kubeconfig or context):
        raise ConfigurationInvalid(
            "the pod's service account has neither kubeconfig nor context",
            hint="leave out --in-cluster, or --kubeconfig and --context",
        )
    paths = () if service_account == "only" else _paths(kubeconfig)
    if not paths and service_account == "never":
        raise ConfigurationInvalid("there is no kubeconfig", hint=NAME_ANOTHER)
    if not paths:
        return _in_cluster(context)
    config = _merged(paths)
    chosen = context or config.current
    if chosen not in config.contexts:
        raise _no_context(chosen, config)
    parts = config.contexts[chosen].value
    cluster = _named(config.clusters, "cluster", parts.get("cluster"), chosen)
    user = (
        _named(config.users, "user", parts["user"], chosen) if parts.get("user") else _Entry({}, "")
    )
    server = str(cluster.value.get("server", ""))
    if server.startswith("https:") and not parts.get("user"):
        raise ConfigurationInvalid(f"context {chosen} names no user", hint=_contexts(config))
    files = (*paths, *_files(cluster), *_files(user))
    namespace = str(parts.get("namespace") or "default")
    return Access(paths, chosen, server, files, tuple(_impersonation(user.value)), namespace)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a kubeconfig says of a cluster, user or context, and the folder its paths start from."""

    value: Mapping[str, Any]
    folder: str


@dataclass(slots=True)
class _Config:
    """Several kubeconfigs as one: the first to name something wins."""

    where: str
    current: str
    clusters: dict[str, _Entry]
    users: dict[str, _Entry]
    contexts: dict[str, _Entry]


def _paths(kubeconfig: str | None) -> tuple[Path, ...]:
    if kubeconfig:
        path = Path(kubeconfig).expanduser()
        if not path.exists():
            raise ConfigurationInvalid(f"stat {path}: no such file or directory", hint=NAME_ANOTHER)
        return (path,)
    listed = os.environ.get("KUBECONFIG", "")
    if not listed:
        usual = Path("~/.kube/config").expanduser()
        return (usual,) if usual.exists() else ()
    paths = [Path(part).expanduser() for part in listed.split(os.pathsep) if part]
    # As kubectl: files of the list that do not exist are passed over.
    return tuple(path for path in paths if path.exists())


def _in_cluster(context: str | None) -> Access:
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if context or not host:
        wanted = f"context {context} was asked for, but" if context else "no cluster is configured:"
        raise ConfigurationInvalid(f"{wanted} there is no kubeconfig", hint=NAME_ANOTHER)
    server = f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
    files = (SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt")
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        namespace = ""
    return Access((), "", server, files, namespace=namespace or "default")


def _merged(paths: tuple[Path, ...]) -> _Config:
    merged = _Config(os.pathsep.join(map(str, paths)), "", {}, {}, {})
    for path in paths:
        raw = _read(path)
        merged.current = merged.current or str(raw.get("current-context") or "")
        try:
            for part in ("clusters", "users", "contexts"):
                for entry in raw.get(part) or ():
                    value = _Entry(entry[part[:-1]] or {}, str(path.parent))
                    getattr(merged, part).setdefault(str(entry["name"]), value)
        except (KeyError, TypeError, AttributeError):
            raise ConfigurationInvalid(
                f'error loading config file "{path}": its {part} are not named entries',
                hint=NAME_ANOTHER,
            ) from None
    return merged


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as wrong:
        reason = str(getattr(wrong, "strerror", None) or getattr(wrong, "problem", None) or "")
        raise ConfigurationInvalid(
            f'error loading config file "{path}": {reason or "it is not YAML"}', hint=NAME_ANOTHER
        ) from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ConfigurationInvalid(
            f'error loading config file "{path}": it is not a kubeconfig', hint=NAME_ANOTHER
        )
    return raw


def _named(entries: Mapping[str, _Entry], what: str, name: Any, context: str) -> _Entry:
    if name not in entries:
        raise ConfigurationInvalid(
            f"context {context} names {what} {name!r}, which the kubeconfig does not have",
            hint=f"{what}s there: {', '.join(sorted(entries)) or 'none'}",
        )
    return entries[name]


def _no_context(chosen: str, config: _Config) -> ConfigurationInvalid:
    if chosen:
        message = f"context was not found for specified context: {chosen}"
    else:
        message = f"{config.where} has no current-context"
    return ConfigurationInvalid(message, hint=_contexts(config))


def _contexts(config: _Config) -> str:
    names = ", ".join(sorted(config.contexts)) or "none"
    return f"contexts in {config.where}: {names}; choose one with --context"


def _files(entry: _Entry) -> Iterator[Path]:
    for key in FILE_KEYS:
        if entry.value.get(key):
            yield Path(entry.folder) / str(entry.value[key])


def _impersonation(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    groups = list(user.get("as-groups") or ())
    if user.get("as-user-extra") or len(groups) > 1:
        # Leaving them out would act with other rights than the user chose.
        raise ConfigurationInvalid(
            "the kubeconfig impersonates with several groups or extra fields",
            hint="only `as`, `as-uid` and one of `as-groups` can be used",
        )
    if user.get("as"):
        yield "Impersonate-User", str(user["as"])
    if user.get("as-uid"):
        yield "Impersonate-Uid", str(user["as-uid"])
    for group in groups:
        yield "Impersonate-Group", str(group)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (str(path), 0, 0, 0)
    return (str(path), found.st_mtime_ns, found.st_size, found.st_ino)
