"""Fetches and builds the real parts of the lab, outside the checkout.

Go modules and Maven artifacts come through the ordinary clients (`go`, `mvn`), so
whatever mirror they are configured for is used and none is named here. The result
lies in a folder keyed by the versions and is made once per machine: a second run
finds it and does nothing. Running the parts is left to `control_plane` and `broker`.

    python -m tests.lab.build [control-plane|kafka|all]
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

KUBERNETES = "1.37.2"
STAGING = "0.37.2"
"""Version of the k8s.io libraries that KUBERNETES was released with."""
KWOK = "0.8.0"
ETCD = "3.6.5"
KAFKA = "4.1.1"
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
BUILD_SECONDS = 3600

GO_MAIN = """package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""

POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>lab</groupId><artifactId>lab</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version>
    </dependency>
  </dependencies>
</project>
"""


class BuildError(Exception):
    """A real part cannot be had on this machine; the text says which and why."""


def control_plane_bin() -> Path:
    """The folder of etcd, the kube-* programs, kubectl and kwok, built if need be."""
    return _made_once(_control_plane_home(), _build_control_plane) / "bin"


def kafka_jars() -> Path:
    """The folder of Kafka's jars, fetched if need be."""
    return _made_once(_kafka_home(), _fetch_kafka) / "lib"


def missing() -> list[str]:
    """One line for each real part that cannot be had on this machine; empty if all can."""
    lines = (missing_control_plane(), missing_kafka())
    return [line for line in lines if line]


def missing_control_plane() -> str | None:
    """Why there can be no control plane here, or None."""
    if _control_plane_home().is_dir() or shutil.which("go"):
        return None
    return f"control plane: no `go` on the PATH to build Kubernetes {KUBERNETES} with"


def missing_kafka() -> str | None:
    """Why there can be no Kafka broker here, or None."""
    if not shutil.which("java"):
        return f"kafka: no `java` on the PATH to run Kafka {KAFKA} with"
    if _kafka_home().is_dir() or shutil.which("mvn"):
        return None
    return f"kafka: no `mvn` on the PATH to fetch Kafka {KAFKA} with"


def cache_folder() -> Path:
    """Where the built parts are kept: ROLLOUT_LEDGER_LAB_CACHE, else the user's cache."""
    configured = os.environ.get("ROLLOUT_LEDGER_LAB_CACHE")
    return Path(configured) if configured else Path.home() / ".cache" / "rollout-ledger-lab"


def _control_plane_home() -> Path:
    """Where this version of the control plane is kept."""
    return cache_folder() / f"kubernetes-{KUBERNETES}-kwok-{KWOK}-etcd-{ETCD}"


def _kafka_home() -> Path:
    """Where this version of Kafka is kept."""
    return cache_folder() / f"kafka-{KAFKA}"


def _made_once(home: Path, make: Callable[[Path], None]) -> Path:
    """Return `home`, complete: made beside it and renamed, by one process at a time."""
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    with _lock(home.with_name(f".{home.name}.lock")):
        if home.is_dir():
            return home
        unfinished = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
        try:
            make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(home)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return home


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold `path` for this process; the kernel lets go of it if we die."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build_control_plane(home: Path) -> None:
    """Fill `home`/bin with the control plane's programs."""
    if reason := missing_control_plane():
        raise BuildError(reason)
    (home / "bin").mkdir()
    with tempfile.TemporaryDirectory(prefix="rollout-ledger-build-") as work:
        _build_kubernetes(Path(work), home / "bin")
    with tempfile.TemporaryDirectory(prefix="rollout-ledger-build-") as work:
        _build_etcd(Path(work), home / "bin")


def _build_kubernetes(work: Path, target: Path) -> None:
    """Build the kube-* programs and kwok into `target` from a wrapper module in `work`.

    `go install …@v` refuses because of the replace directives in the module itself,
    so the wrapper repeats them, pointing at the published libraries.
    """
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in COMPONENTS]
    packages.append("sigs.k8s.io/kwok/cmd/kwok")
    imports = "\n".join(f'\t_ "{package}"' for package in packages)
    (work / "main.go").write_text(f"//go:build tools\n\npackage lab\n\nimport (\n{imports}\n)\n")
    (work / "go.mod").write_text(_wrapper_module(work))
    _go(work, "mod", "tidy")
    _go(work, "build", "-trimpath", "-ldflags", _version_flags(), "-o", f"{target}/", *packages)


def _wrapper_module(work: Path) -> str:
    """The go.mod that makes Kubernetes buildable from published modules alone."""
    found = json.loads(_go(work, "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"))
    upstream = Path(found["GoMod"]).read_text()
    staged = re.findall(r"(k8s\.io/\S+) => \./staging/", upstream)
    replaced = "\n".join(f"replace {name} => {name} v{STAGING}" for name in staged)
    return (
        "module lab\n\ngo 1.26.0\n\ngodebug default=go1.26\n\n"
        f"require k8s.io/kubernetes v{KUBERNETES}\nrequire sigs.k8s.io/kwok v{KWOK}\n\n{replaced}\n"
    )


def _version_flags() -> str:
    """Linker flags that make the programs report the version they were built from."""
    home = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.split(".")
    values = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X {home}.{name}={value}" for name, value in values.items())])


def _build_etcd(work: Path, target: Path) -> None:
    """Build etcd into `target` from a four-line main in `work`."""
    require = f"require go.etcd.io/etcd/server/v3 v{ETCD}"
    (work / "go.mod").write_text(f"module lab\n\ngo 1.26.0\n\n{require}\n")
    (work / "main.go").write_text(GO_MAIN)
    _go(work, "mod", "tidy")
    _go(work, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target / "etcd"), ".")


def _fetch_kafka(home: Path) -> None:
    """Fill `home`/lib with Kafka's jars."""
    if reason := missing_kafka():
        raise BuildError(reason)
    (home / "pom.xml").write_text(POM)
    target = f"-DoutputDirectory={home / 'lib'}"
    _run(home, ["mvn", "-q", "-B", MAVEN_COPY, target, "-DincludeScope=runtime"], {})


def _go(work: Path, *arguments: str) -> str:
    """Run go in `work` with a pure-Go build and a module file it may complete."""
    return _run(work, ["go", *arguments], {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"})


def _run(work: Path, command: list[str], settings: Mapping[str, str]) -> str:
    """Run one build command politely and return its output; raise BuildError if it fails."""
    polite = [found] if (found := shutil.which("nice")) else []
    try:
        finished = subprocess.run(
            [*polite, *command],
            cwd=work,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        minutes = BUILD_SECONDS // 60
        raise BuildError(f"`{command[0]} {command[1]}` took more than {minutes} min") from late
    if finished.returncode:
        reason = _reason(finished.stdout + finished.stderr)
        raise BuildError(f"`{command[0]} {command[1]}` failed: {reason}")
    return finished.stdout


def _reason(output: str) -> str:
    """The line of a failed build that says why: Maven's first error, else the last words."""
    lines = [line.strip() for line in output.splitlines() if re.search("[a-z]", line)]
    errors = [line for line in lines if line.startswith("[ERROR]")]
    return (errors[:1] or lines[-1:] or ["it said nothing"])[0][:300]


def main(arguments: list[str]) -> int:
    """Make the parts named on the command line; say in one line where each is."""
    parts = {"control-plane": control_plane_bin, "kafka": kafka_jars}
    wanted = arguments or ["all"]
    if any(name not in {*parts, "all"} for name in wanted):
        print(f"usage: python -m tests.lab.build [{'|'.join(parts)}|all]", file=sys.stderr)
        return 2
    failed = False
    for name, make in parts.items():
        if name in wanted or "all" in wanted:
            try:
                print(f"{name}: {make()}")
            except BuildError as reason:
                print(f"error: {reason}", file=sys.stderr)
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
