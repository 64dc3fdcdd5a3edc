"""A real Kubernetes control plane on loopback: etcd, API server, controllers, kwok.

It lives in a temporary folder on free ports, needs no privileges and no containers,
and is ready in seconds. What it is made of comes from `build`, who may use it from
`users`; what is done with it belongs to `driver`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.lab import build, certificates, users
from tests.lab.api import Api, NotFoundError, RefusedError
from tests.lab.cluster import Cluster
from tests.lab.process import Process, answers, free_ports, wait_until

HERE = Path(__file__).parent
START_SECONDS = 60.0
CONTROLLERS = ",".join(
    (
        "*",
        "-nodelifecycle",  # or it would mark the simulated nodes unready
        "-nodeipam",
        "-bootstrapsigner",
        "-tokencleaner",
        "-certificatesigningrequest-signing-controller",
    )
)


@dataclass(frozen=True)
class Pace:
    """How long pods take, in seconds, as (shortest, longest); chosen at random between."""

    ready_seconds: tuple[float, float] = (0.0, 0.0)
    delete_seconds: tuple[float, float] = (0.0, 0.0)


class ControlPlane(Cluster):
    """A control plane that runs between `start()` and `stop()`, or inside `with`."""

    def __init__(
        self,
        *,
        pace: Pace = Pace(),
        apiserver_flags: Iterable[str] = (),
        audit_policy: Path = HERE / "audit-policy.yaml",
    ) -> None:
        """Decide the pace of pods, extra flags such as `--watch-cache-sizes=pods#0`, and what the
        audit log is to hold.
        """
        self.pace = pace
        self.audit_policy = audit_policy
        self.apiserver_flags = tuple(apiserver_flags)
        self.home = Path()
        self._ports: dict[str, int] = {}
        self._processes: dict[str, Process] = {}
        self._tokens = users.Tokens.made()

    def __enter__(self) -> ControlPlane:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self._ports['kube-apiserver']}"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: one JSON event per line, of `audit-policy.yaml`."""
        return self.home / "audit.log"

    @property
    def kubectl(self) -> Path:
        """The kubectl of the control plane's own version."""
        return self._bin / "kubectl"

    def start(self) -> None:
        """Return when the API answers, rights and nodes exist and the controllers work."""
        self._bin = build.control_plane_bin()
        self.home = Path(tempfile.mkdtemp(prefix="rollout-ledger-lab-"))
        atexit.register(self.stop)
        names = ("etcd", "etcd-peer", "kube-apiserver")
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        try:
            self._write_settings()
            self._start_etcd()
            self.start_apiserver()
            self.apply(HERE / "rights.yaml", HERE / "nodes.yaml")
            self._start_controllers()
            self._wait_for_controllers()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Return when every process has ended and the temporary folder is gone."""
        for process in self._processes.values():
            if process.name not in ("kube-apiserver", "etcd"):
                process.terminate()
        for name in reversed(list(self._processes)):
            self._processes.pop(name).stop()
        if self.home != Path():
            shutil.rmtree(self.home, ignore_errors=True)
            self.home = Path()
        atexit.unregister(self.stop)

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig file of one of `users.GROUPS` or a component."""
        path = self.home / "users" / f"{user.replace(':', '-')}.yaml"
        if not path.exists():
            text = users.kubeconfig(
                server=self.server,
                authority=self._authority,
                user=user,
                credentials={"token": self._tokens.by_user[user]},
            )
            users.write_private(path, text)
        return path

    def credentials(self) -> Iterable[str]:
        """Every token of this control plane: what no recording may contain."""
        return self._tokens.by_user.values()

    def kill_apiserver(self) -> None:
        """End the API server as a crash would; `start_apiserver` brings it back."""
        self._processes.pop("kube-apiserver").kill()

    def restart_apiserver(self) -> None:
        """Return when the API server has ended in order and answers again."""
        if running := self._processes.pop("kube-apiserver", None):
            running.stop()
        self.start_apiserver()

    def start_apiserver(self) -> None:
        """Return when the API server answers on its port, the same as ever."""
        process = self._run(
            "kube-apiserver",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports['kube-apiserver']}",
            f"--etcd-servers=http://127.0.0.1:{self._ports['etcd']}",
            f"--cert-dir={self.home / 'certs'}",
            f"--token-auth-file={self.home / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.home / 'certs' / 'service-account.pem'}",
            f"--service-account-signing-key-file={self.home / 'certs' / 'service-account.pem'}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--shutdown-watch-termination-grace-period=1s",
            f"--audit-policy-file={self.audit_policy}",
            f"--audit-log-path={self.audit_log}",
            *self.apiserver_flags,
        )
        wait_until(self._ready, what="the API server", seconds=START_SECONDS, process=process)

    def restore_etcd(self, copy: Path) -> None:
        """Return when all runs again on etcd's data as `copied_etcd` left it there."""
        self._stop_store()
        shutil.rmtree(self.home / "etcd")
        shutil.copytree(copy, self.home / "etcd")
        self._start_etcd()
        self.start_apiserver()
        self.restart_controllers()

    def copied_etcd(self, copy: Path) -> None:
        """Copy etcd's data, which takes a short stop, and return when the API answers again."""
        self._stop_store()
        shutil.copytree(self.home / "etcd", copy)
        self._start_etcd()
        self.start_apiserver()
        self.restart_controllers()

    def rotate_authority(self) -> None:
        """Serve with a new certificate, signed by a new authority; hand out new kubeconfigs.

        Everybody who holds an old one is locked out, but for the controllers, which get theirs.
        """
        authority, serving = certificates.authority_and_serving_certificate()
        certs = self.home / "certs"
        users.write_private(certs / "authority.crt", authority)
        users.write_private(certs / "apiserver.crt", serving.certificate)
        users.write_private(certs / "apiserver.key", serving.key)
        for path in (self.home / "users").iterdir():
            path.unlink()
        self.restart_apiserver()
        self.restart_controllers()

    def _stop_store(self) -> None:
        """End the API server and then etcd, each in order."""
        for name in ("kube-apiserver", "etcd"):
            self._processes.pop(name).stop()

    @property
    def _authority(self) -> bytes:
        """The certificate that clients are to trust: the server's own, until it is rotated."""
        certs = self.home / "certs"
        rotated = certs / "authority.crt"
        return (rotated if rotated.exists() else certs / "apiserver.crt").read_bytes()

    def service_account_token(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims, signed as the API server signs those it issues."""
        key = (self.home / "certs" / "service-account.pem").read_text()
        return certificates.signed_token(key, claims)

    def restart_controllers(self) -> None:
        """Return when controllers, scheduler and kubelets have been started anew.

        Elsewhere their leases end them when the API server is away for long; here only their
        patience grows.
        """
        for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
            self._processes.pop(name).kill()
        self._start_controllers()

    @contextlib.contextmanager
    def controllers_asleep(self) -> Iterator[None]:
        """No controller does anything while the block lasts."""
        manager = self._processes["kube-controller-manager"]
        manager.send(signal.SIGSTOP)
        try:
            yield
        finally:
            manager.send(signal.SIGCONT)

    def _ready(self) -> bool:
        """Whether the API server is ready and its first RBAC roles are there."""
        if not answers(self._ports["kube-apiserver"]):
            return False
        with contextlib.suppress(OSError, RefusedError, NotFoundError, json.JSONDecodeError):
            api = Api(self.kubeconfig(users.ADMIN))
            api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:volume-scheduler")
            return api.succeeds("/readyz")
        return False

    def _write_settings(self) -> None:
        """Write tokens, keys and the kubelet's stages into the temporary folder."""
        for folder in ("certs", "users", "etcd"):
            (self.home / folder).mkdir()
        users.write_private(self.home / "tokens.csv", self._tokens.csv())
        users.write_private(self.home / "certs" / "service-account.pem", users.signing_key())
        (self.home / "stages.yaml").write_text(stages(self.pace))

    def _start_etcd(self) -> None:
        """Return when etcd listens."""
        client, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd", "etcd-peer"))
        process = self._run(
            "etcd",
            f"--data-dir={self.home / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
        )
        port = self._ports["etcd"]
        wait_until(lambda: answers(port), what="etcd", seconds=START_SECONDS, process=process)

    def _start_controllers(self) -> None:
        """Start the controller manager, the scheduler and kwok, each as its own user."""
        key = self.home / "certs" / "service-account.pem"
        manager = self.kubeconfig("system:kube-controller-manager")
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={manager}",
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={key}",
            f"--controllers={CONTROLLERS}",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )
        scheduler = self.kubeconfig("system:kube-scheduler")
        self._run(
            "kube-scheduler",
            f"--kubeconfig={scheduler}",
            "--leader-elect=false",
            "--secure-port=0",
        )
        kwok, played = self.kubeconfig("system:node:kwok"), self.home / "stages.yaml"
        self._run("kwok", f"--kubeconfig={kwok}", "--manage-all-nodes=true", f"--config={played}")

    def _wait_for_controllers(self) -> None:
        """Return when a node is ready and the default namespace got its service account."""
        api = Api(self.kubeconfig(users.ADMIN))

        def work() -> bool:
            with contextlib.suppress(NotFoundError):
                api.get("/api/v1/namespaces/default/serviceaccounts/default")
                conditions = api.get("/api/v1/nodes/node-b")["status"].get("conditions", [])
                return any(row["type"] == "Ready" for row in conditions)
            return False

        last = self._processes["kube-controller-manager"]
        wait_until(work, what="controllers", seconds=START_SECONDS, process=last)

    def _run(self, name: str, *arguments: str) -> Process:
        """Start one of the programs, its output in `<name>.log`."""
        command = [str(self._bin / name), *arguments]
        process = Process(
            name, command, log=self.home / f"{name}.log", environment={"HOME": str(self.home)}
        )
        self._processes[name] = process
        return process


def stages(pace: Pace) -> str:
    """kwok's stages with the pace of pods filled in."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all((HERE / "stages.yaml").read_text()))
    delays = {
        "pod-ready": pace.ready_seconds,
        "pod-trouble": pace.ready_seconds,
        "pod-unready": pace.ready_seconds,
        "pod-delete": pace.delete_seconds,
    }
    for stage in documents:
        shortest, longest = delays.get(stage["metadata"]["name"], (0.0, 0.0))
        if longest:
            stage["spec"]["delay"] = {
                "durationMilliseconds": int(shortest * 1000),
                "jitterDurationMilliseconds": int(longest * 1000),
            }
    return yaml.safe_dump_all(documents, sort_keys=False)
