"""What the API server for tests does when one object is read, patched or deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.fake_api import Asked, FakeApi

Raw = dict[str, Any]


async def answer_one(api: FakeApi, asked: Asked, request: web.Request) -> web.Response:
    """As the real one: 404 for what is not there, 422 for a JSON patch whose test fails, 409 for a
    deletion whose precondition does.
    """
    key = f"default/{asked.name}"
    raw = api.objects[asked.plural].get(key)
    if raw is None:
        return _status(404, "NotFound", f'{asked.plural}.apps "{asked.name}" not found')
    match asked.verb:
        case "patch":
            patched = _patched(raw, await request.json())
            if patched is None:
                told = "the server rejected our request due to an error in our request"
                return _status(422, "Invalid", told)
            if patched["spec"] != raw["spec"]:
                patched["metadata"]["generation"] += 1
            if asked.query.get("dryRun"):
                return web.json_response(patched)
            api.version += 1
            patched["metadata"]["resourceVersion"] = str(api.version)
            api.objects[asked.plural][key] = raw = patched
        case "delete":
            options = await request.json()
            wanted = options["preconditions"]
            if any(raw["metadata"][name] != wanted[name] for name in wanted):
                return _status(409, "Conflict", "the precondition does not hold")
            if not options.get("dryRun"):
                api.delete(asked.plural, asked.name)
    return web.json_response(raw)


def _patched(raw: Raw, operations: list[Raw]) -> Raw | None:
    """The object after a JSON patch of operations on maps; None when a test fails."""
    patched: Raw = json.loads(json.dumps(raw))
    for each in operations:
        *parts, last = each["path"].removeprefix("/").split("/")
        holder: Any = patched
        for part in parts:
            holder = holder[_unescaped(part)]
        if each["op"] != "test":
            holder[_unescaped(last)] = each["value"]
        elif holder.get(_unescaped(last)) != each["value"]:
            return None
    return patched


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _status(code: int, reason: str, message: str) -> web.Response:
    return web.json_response(
        {"kind": "Status", "code": code, "reason": reason, "message": message}, status=code
    )
