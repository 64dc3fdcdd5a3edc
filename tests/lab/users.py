"""Who uses the lab's cluster, and the kubeconfig each of them gets.

Every person, program and component has a token of its own, so that the audit log
tells them apart. Tokens live in the temporary folder of one run and die with it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

ADMIN = "admin"
ALICE = "alice@example.com"
BOB = "bob@example.com"
DEPLOYER = "system:serviceaccount:ci:deployer"
OPERATOR = "system:serviceaccount:ops:web-operator"
WATCHER = "watcher"
NOBODY = "nobody"

GROUPS = {
    ADMIN: "system:masters",
    ALICE: "",
    BOB: "",
    DEPLOYER: "system:serviceaccounts,system:serviceaccounts:ci",
    OPERATOR: "system:serviceaccounts,system:serviceaccounts:ops",
    WATCHER: "",
    NOBODY: "",
}
"""The people and programs a test can act as, with their groups."""

COMPONENTS = {
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:node:kwok": "",
}
"""The parts of the control plane: each its own user, as in a real cluster."""


@dataclass(frozen=True)
class Tokens:
    """A token for every user."""

    by_user: dict[str, str]

    @classmethod
    def made(cls) -> Tokens:
        """Fresh random tokens for everybody."""
        return cls({user: secrets.token_hex(24) for user in {**GROUPS, **COMPONENTS}})

    def csv(self) -> str:
        """The API server's --token-auth-file."""
        groups = {**GROUPS, **COMPONENTS}
        rows = (f'{token},{user},{user},"{groups[user]}"' for user, token in self.by_user.items())
        return "\n".join(rows) + "\n"


def kubeconfig(*, server: str, authority: bytes, user: str, credentials: Mapping[str, Any]) -> str:
    """The text of a kubeconfig with which `user` reaches `server`."""
    trusted = base64.b64encode(authority).decode()
    cluster = {"server": server, "certificate-authority-data": trusted}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": user, "user": dict(credentials)}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": user}}],
    }
    return yaml.safe_dump(config, sort_keys=False)


def write_private(path: Path, text: str) -> Path:
    """Write a file that only we can read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def signing_key() -> str:
    """A fresh private key, PEM, with which service account tokens are signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
