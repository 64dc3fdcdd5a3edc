"""One value of a ledger as a person reads it in a cell: times, states, uids, templates, links.

Everything shown came from a cluster, where anyone with a namespace can write it, so all of it is
escaped. What is not known here is left to Datasette.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from ledger.authors import short, who

GLYPHS = {
    "complete": "✓",
    "superseded": "~",
    "open": "…",
    "progressing": "…",
    "staged": "…",
    "settling": "…",
    "stalled": "✗",
    "undone": "↩",
    "deleted": "✗",
    "unobserved": "?",
    "create": "+",
    "change": "•",
    "restart": "↻",
    "undo": "↩",
    "return": "↪",
    "platform": "⚙",
    "adopted": "⇥",
    "found": "◦",
    "unseen": "?",
    "gap": "!",
    "live": "✓",
    "stopped": "■",
}
STATES = ("trigger", "status", "phase", "what", "next_trigger", "state", "disposition", "fact")
DIGESTS = ("digest", "sha256", "template_digest")
DOCUMENTS = ("managed_fields", "undo_annotation", "detail", "selector")
IMAGES = ("images", "image_before", "image_after", "images_before", "images_after")
NUMBERS = (
    "number",
    "previous",
    "undo_of",
    "next_number",
    "number_before",
    "number_after",
    "written_for",
)
REFERENCES = {"template_id": "templates", "object_id": "objects", "instance_id": "instances"}
ACTORS = ("actor", "user", "impersonated")
WORDS = ("summary", "change_cause", "reason")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TAG = re.compile(r"redacted:([0-9a-f]+):([0-9a-f]{8})[0-9a-f]{8,}")
_REDACTED = Markup('<span class="rl-redacted" title="{}">redacted:{}:{}…</span>')

Page = Callable[[str], str]
"""The address of a page of this ledger, by the name of its table or question."""
Known = Callable[[str], Any]
"""The value of another column of the same row; None where the row has no such column."""


def cell(value: Any, column: str, known: Known, page: Page) -> Markup | None:
    """A value as HTML, or None where it is best shown as it is."""
    if column in NUMBERS and isinstance(value, int | str) and value != "":
        return _number(str(value), known, page)
    if column in REFERENCES and isinstance(value, int):
        link = Markup('<a href="{}/{}">{}</a>')
        return link.format(page(REFERENCES[column]), value, value)
    if not isinstance(value, str) or not value:
        return None
    if column in STATES:
        words = value.split() if column == "what" else [value]
        return Markup(" ").join(_state(word) for word in words)
    if column in IMAGES:
        return Markup("<br>").join(escape(image) for image in value.split(" "))
    if column.endswith(("_at", "_after")) or column in ("at", "now", "since"):
        return _time(value)
    if column == "uid" or column.endswith("_uid") or column == "predecessor":
        return _uid(value, column, page)
    if column == "workload" or (column == "label" and known("history_limit") is not None):
        return _workload(value, known, page)
    if column in ACTORS:
        return _actor(value, column, known, page)
    if column in WORDS:
        return _words(value, column, known)
    if column in DIGESTS:
        return Markup('<code title="{}">{}…</code>').format(value, value[:12])
    return _document(value, column)


def meanings(entries: Mapping[str, str]) -> Markup:
    """Names and what they mean; nothing for nothing."""
    rows = Markup("").join(
        Markup("<dt>{}</dt><dd>{}</dd>").format(*entry) for entry in entries.items()
    )
    return Markup('<dl class="rl-meanings">{}</dl>').format(rows) if entries else Markup("")


def folded(entries: Mapping[str, str], summary: str) -> Markup:
    """The same, folded away under a summary."""
    about = Markup('<details class="rl-about"><summary>{}</summary>{}</details>')
    return about.format(summary, meanings(entries)) if entries else Markup("")


def _state(word: str) -> Markup:
    glyph = GLYPHS.get(word)
    mark = Markup('<span aria-hidden="true">{}</span> ').format(glyph) if glyph else ""
    return Markup('<span class="rl-state rl-{}">{}{}</span>').format(
        word.replace(" ", "-"), mark, word
    )


def _time(value: str) -> Markup | None:
    if not _TIME.fullmatch(value):
        return None
    shown = value[:19].replace("T", " ")
    return Markup('<time datetime="{}" title="{}">{}Z</time>').format(value, value, shown)


def _uid(value: str, column: str, page: Page) -> Markup:
    # The style sheet shows the beginning; whoever copies the cell gets all of it.
    if column in ("workload_uid", "predecessor"):
        link = Markup('<a class="rl-uid" title="{}" href="{}/{}">{}</a>')
        return link.format(value, page("workloads"), value, value)
    return Markup('<span class="rl-uid" title="{}">{}</span>').format(value, value)


def _workload(value: str, known: Known, page: Page) -> Markup | None:
    namespace, name, is_newest = _named(value, known)
    if not name:
        return None
    asked = {"namespace": namespace, "name": name}
    if not is_newest:
        asked["incarnations"] = "all"
    return Markup('<a href="{}?{}">{}</a>').format(page("history"), urlencode(asked), value)


def _number(value: str, known: Known, page: Page) -> Markup | None:
    uid, label = known("workload_uid"), known("workload")
    if isinstance(uid, dict):
        # A foreign key that a table page has already looked up.
        uid, label = uid["value"], uid["label"]
    namespace, name, is_newest = _named(label, known)
    if not name or not (uid or is_newest):
        return None
    asked = {"namespace": namespace, "name": name, "label": value}
    if uid:
        asked["workload_uid"] = uid
    return Markup('<a href="{}?{}">{}</a>').format(page("revision"), urlencode(asked), value)


def _named(workload: Any, known: Known) -> tuple[str, str, bool]:
    """Namespace and name, and whether they mean the newest incarnation of that name."""
    workload = str(workload or "")
    if "/" in workload:
        label, tilde, _ = workload.partition("~")
        namespace, _, name = label.partition("/")
        return namespace, name, not tilde
    return str(known("namespace") or ""), workload if known("namespace") else "", True


def _actor(value: str, column: str, known: Known, page: Page) -> Markup:
    """Short, as the command line has it; whoever wants all of it points at it."""
    if column == "impersonated":
        return Markup('<span title="{}">{}</span>').format(value, short(value))
    told = who({"actor": value} | {name: known(name) for name in ("impersonated", "basis")})
    link = Markup('<a title="{}" href="{}?{}">{}</a>')
    return link.format(value, page("changes"), urlencode({"actor": value}), told)


def _words(value: str, column: str, known: Known) -> Markup:
    parts, end = [], 0
    for tag in _TAG.finditer(value):
        parts += [escape(value[end : tag.start()]), _REDACTED.format(tag[0], tag[1], tag[2])]
        end = tag.end()
    text = Markup("").join([*parts, escape(value[end:])])
    state = known("change_cause_state") if column == "change_cause" else None
    if state not in ("stale", "unverified"):
        return text
    mark = Markup('<span class="rl-doubt">{} <span class="rl-state rl-doubtful">{}</span></span>')
    return mark.format(text, state)


def _document(value: str, column: str) -> Markup | None:
    if column not in ("template", "labels", *DOCUMENTS):
        return None
    try:
        document = json.loads(value)
        text = json.dumps(document, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict | list) or not document:
        return None
    if column == "labels" and isinstance(document, dict):
        return Markup("<br>").join(escape(f"{key}={text}") for key, text in document.items())
    shown = Markup('<details class="rl-template"><summary>{}</summary><pre>{}</pre></details>')
    return shown.format(_title(document), text)


def _title(document: Any) -> str:
    spec = document.get("spec") if isinstance(document, dict) else None
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list):
        return "show"
    return ", ".join(str(c.get("name")) for c in containers if isinstance(c, dict)) or "show"
