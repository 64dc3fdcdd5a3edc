"""How an author is named, never more surely than the evidence is, and what was given as ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCOUNT = "system:serviceaccount:"
UNKNOWN = "unknown"


def who(row: Mapping[str, Any]) -> str:
    """`bob@example.com` when that is proven, `bob@example.com?` when it is probable,
    `(kubectl-set)` when all there is is the name of a field manager, else `unknown`.
    """
    actor = row["actor"]
    if not actor:
        return UNKNOWN
    name = short(str(actor))
    if row.get("impersonated"):
        name += f" as {short(str(row['impersonated']))}"
    return {"claimed": f"({name})", "probable": f"{name}?"}.get(str(row["basis"]), name)


def ticket_of(row: Mapping[str, Any]) -> str:
    """`CHG-7` as it was given with the change, `CHG-7 (later)` as a note added it, else `-`."""
    if not row["ticket"]:
        return "-"
    return f"{row['ticket']} (later)" if row.get("ticket_source") == "note" else str(row["ticket"])


def short(user: str) -> str:
    """`sa:ci/deployer` for `system:serviceaccount:ci:deployer`."""
    if not user.startswith(ACCOUNT):
        return user
    namespace, _, name = user.removeprefix(ACCOUNT).partition(":")
    return f"sa:{namespace}/{name}"


def full(user: str) -> str:
    """The user that `short` shortened."""
    namespace, slash, name = user.removeprefix("sa:").partition("/")
    return f"{ACCOUNT}{namespace}:{name}" if user.startswith("sa:") and slash else user
