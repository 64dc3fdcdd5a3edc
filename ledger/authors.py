"""How an author is named in a table: never more surely than the evidence is."""

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


def short(user: str) -> str:
    """`sa:ci/deployer` for `system:serviceaccount:ci:deployer`."""
    if not user.startswith(ACCOUNT):
        return user
    namespace, _, name = user.removeprefix(ACCOUNT).partition(":")
    return f"sa:{namespace}/{name}"
