"""Uses the cluster like people do: kubectl, as somebody, in a namespace.

Every command is remembered with its output and times, so that what people did and
saw can be compared with what the ledger says about it. Waiting looks at the API
directly and never at a clock alone.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.lab.api import Api
from tests.lab.cluster import Cluster
from tests.lab.process import LabError, clean_environment
from tests.lab.settling import WATCHED, Snapshot, kept, under_way
from tests.lab.users import ADMIN, ALICE, WATCHER

COMMAND_SECONDS = 60.0
SETTLE_SECONDS = 60.0
QUIET_SECONDS = 0.25
"""How long nothing may change before the cluster counts as at rest."""
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Command:
    """One kubectl command that somebody ran, and what came of it."""

    user: str
    argv: tuple[str, ...]
    stdin: str
    exit: int
    stdout: str
    stderr: str
    began_at: str
    ended_at: str
    step: str

    def document(self) -> dict[str, Any]:
        """The command as plain JSON values."""
        return {**asdict(self), "argv": list(self.argv)}


@dataclass
class Driver:
    """Runs kubectl in `namespace` and remembers every command in `commands`."""

    cluster: Cluster
    namespace: str
    settle_seconds: float = SETTLE_SECONDS
    commands: list[Command] = field(default_factory=list)
    listeners: list[Callable[[Command], None]] = field(default_factory=list)
    step: str = ""
    """The scenario's step that is running; remembered with each command."""

    api: Api = field(init=False)
    """The API as admin, for looking."""

    def __post_init__(self) -> None:
        self.api = Api(self.cluster.kubeconfig(ADMIN))

    def run(
        self,
        *arguments: str,
        user: str = ALICE,
        namespace: str | None = None,
        stdin: str = "",
        fails: bool = False,
    ) -> Command:
        """Run `kubectl <arguments>` as `user`; raise if it did not go as expected."""
        command = self.attempt(*arguments, user=user, namespace=namespace, stdin=stdin)
        if bool(command.exit) != fails:
            raise LabError(f"{self.step}: {command.argv} exited {command.exit}: {command.stderr}")
        return command

    def attempt(
        self, *arguments: str, user: str = ALICE, namespace: str | None = None, stdin: str = ""
    ) -> Command:
        """Run `kubectl <arguments>` as `user`, whether it works or not."""
        command = self._execute(arguments, user=user, namespace=namespace, stdin=stdin)
        self.remember(command)
        return command

    def history(self, name: str, *, namespace: str | None = None) -> str:
        """The exact output of `kubectl rollout history` for a StatefulSet; not remembered."""
        return self.history_command(name, namespace=namespace).stdout

    def history_command(self, name: str, *, namespace: str | None = None) -> Command:
        """`kubectl rollout history` as the watcher would run it; not remembered."""
        arguments = ("rollout", "history", f"statefulset/{name}")
        return self._execute(arguments, user=WATCHER, namespace=namespace, stdin="")

    def status_command(self, name: str, *, namespace: str | None = None) -> Command:
        """`kubectl rollout status --watch=false` as the watcher would run it; not remembered."""
        arguments = ("rollout", "status", f"statefulset/{name}", "--watch=false")
        return self._execute(arguments, user=WATCHER, namespace=namespace, stdin="")

    def remember(self, command: Command) -> None:
        """Keep a command and tell the listeners."""
        self.commands.append(command)
        for listener in self.listeners:
            listener(command)

    def get(self, kind: str, name: str, *, namespace: str | None = None) -> dict[str, Any]:
        """An object of a plural kind such as `statefulsets`; raises NotFoundError."""
        return self.api.get(self.path(kind, name, namespace=namespace))

    def path(self, kind: str, name: str, *, namespace: str | None = None) -> str:
        """The API path of a namespaced object."""
        group = "/apis/apps/v1" if kind in ("statefulsets", "controllerrevisions") else "/api/v1"
        return f"{group}/namespaces/{namespace or self.namespace}/{kind}/{name}"

    def names(self, kind: str, *, namespace: str | None = None) -> list[str]:
        """The names of the kept objects of a plural kind in the namespace."""
        where = namespace or self.namespace
        items = self.api.items(kind, where)
        return [item["metadata"]["name"] for item in items if kept(kind, item, where)]

    def snapshot(self, namespace: str | None = None) -> Snapshot:
        """The kept objects of one namespace, with the volumes bound to its claims."""
        return Snapshot(dict(self._listed(namespace or self.namespace)))

    def live_versions(self, namespace: str | None = None) -> dict[str, str]:
        """The resourceVersion of every kept object, by uid."""
        return self.snapshot(namespace).versions()

    def settled(self, *names: str, namespace: str | None = None) -> Snapshot:
        """Return these StatefulSets (or all) once they rest; raise LabError if they never do."""
        deadline = time.monotonic() + self.settle_seconds
        quiet_since, versions = time.monotonic(), dict[str, str]()
        while True:
            snapshot = self.snapshot(namespace).only(names)
            reason, now = under_way(snapshot), time.monotonic()
            if reason or snapshot.versions() != versions:
                quiet_since, versions = now, snapshot.versions()
            elif now - quiet_since >= QUIET_SECONDS:
                return snapshot
            if now > deadline:
                raise LabError(f"{self.step}: not settled: {reason or 'objects keep changing'}")
            time.sleep(POLL_SECONDS)

    def wait_for(self, true: Callable[[Snapshot], bool], what: str) -> Snapshot:
        """Return the first snapshot for which `true`; raise LabError at the deadline."""
        deadline = time.monotonic() + self.settle_seconds
        while not true(snapshot := self.snapshot()):
            if time.monotonic() > deadline:
                raise LabError(f"{self.step}: waited in vain for {what}")
            time.sleep(POLL_SECONDS)
        return snapshot

    def _listed(self, namespace: str) -> Iterable[tuple[str, list[dict[str, Any]]]]:
        """Every watched kind with its kept objects."""
        for resource in WATCHED:
            where = None if resource == "persistentvolumes" else namespace
            items = self.api.items(resource, where)
            yield resource, [item for item in items if kept(resource, item, namespace)]

    def _execute(
        self, arguments: tuple[str, ...], *, user: str, namespace: str | None, stdin: str
    ) -> Command:
        """Run kubectl and return all there is to know about it."""
        shown = ("kubectl", "-n", namespace or self.namespace, *arguments)
        access = f"--kubeconfig={self.cluster.kubeconfig(user)}"
        began_at = now()
        finished = subprocess.run(
            [str(self.cluster.kubectl), access, *shown[1:]],
            input=stdin,
            env=clean_environment({"HOME": str(self.cluster.home)}),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        said = (finished.returncode, finished.stdout, finished.stderr)
        return Command(user, shown, stdin, *said, began_at, now(), self.step)


def now() -> str:
    """The time, RFC 3339, UTC, in microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
