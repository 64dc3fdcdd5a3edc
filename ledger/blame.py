"""`blame`: which revision, or which change of the spec, last set a field."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.diff import comparable
from ledger.errors import NotRecorded
from ledger.reader import LedgerReader
from ledger.spec_fields import changes, name_of
from ledger.template_fields import fields_of


@dataclass(frozen=True, slots=True)
class Setting:
    """A field that was set to something: by a revision (`number`) or by a generation alone."""

    field: str
    number: int | None
    generation: int | None
    at: str
    trigger: str
    old: str | None
    """JSON, as `new`; None where the field was not there."""

    new: str | None
    change_cause: str | None
    author: Mapping[str, Any]
    """`actor`, `impersonated` and `basis`."""

    def row(self) -> dict[str, Any]:
        """As it stands in machine formats."""
        return {
            "field": self.field,
            "number": self.number,
            "generation": self.generation,
            "observed_at": self.at,
            "trigger": self.trigger,
            "old": self.old,
            "new": self.new,
            **self.author,
            "change_cause": self.change_cause,
        }


NOBODY = {"actor": None, "impersonated": None, "basis": "unknown"}
COLUMNS = tuple(Setting("", None, None, "", "", None, None, None, NOBODY).row())


def settings_of(reader: LedgerReader, workload: Mapping[str, Any]) -> list[Setting]:
    """Every setting of every field of the incarnation's templates and spec, newest first."""
    told = [*_of_templates(reader, workload), *_of_spec(reader, workload)]
    return sorted(told, key=lambda each: (each.at, each.number or 0, each.field), reverse=True)


def blame(
    reader: LedgerReader, workload: Mapping[str, Any], word: str, *, is_all: bool
) -> list[Setting]:
    """Who last set the field, newest first; with `is_all` also who set it before, without a word
    every field that is set now.

    Raises NotRecorded for a field that was never set.
    """
    told = settings_of(reader, workload)
    if not word:
        return sorted(_newest(told), key=lambda each: each.field)
    fields = sorted({each.field for each in told})
    wanted = _meant(fields, word)
    if not wanted:
        ends = [end for field in fields for end in _ends(field)]
        known = [*fields, *map(name_of, fields), *ends]
        near = list(dict.fromkeys(difflib.get_close_matches(word, known, n=9, cutoff=0.6)))[:3]
        hint = f"did you mean {', '.join(near)}?" if near else "without a field all are listed"
        raise NotRecorded(f"no revision of {workload['name']} is known to set {word}", hint=hint)
    found = [each for each in told if each.field in wanted]
    return found if is_all else _newest(found)


def _newest(told: Sequence[Setting]) -> list[Setting]:
    """The last setting of each field that is still there."""
    last: dict[str, Setting] = {}
    for each in told:
        last.setdefault(each.field, each)
    return [each for each in last.values() if each.new is not None]


def _meant(fields: Sequence[str], word: str) -> set[str]:
    """The fields that a person means: by path, by its end (`image`, `env[LOG_LEVEL]`, `LOG_LEVEL`),
    by name (`partition`), or all beneath it (`labels`, `volumeClaimTemplates`).
    """
    exact = {field for field in fields if word in (field, name_of(field))}
    ends = {field for field in fields if field.endswith((f".{word}", f"[{word}]", f"/{word}]"))}
    beneath = {field for field in fields if re.search(rf"(^|\.){re.escape(word)}[.\[]", field)}
    return exact or ends or beneath


def _ends(field: str) -> tuple[str, str]:
    """The last part of a path, and its key where it has one: `env[LOG_LEVEL]` and `LOG_LEVEL`."""
    # A key in brackets is one part, whatever dots it has.
    end = re.split(r"\.(?![^\[]*\])", field)[-1]
    return end, end.rstrip("]").rpartition("[")[2].rpartition("/")[2]


def _as_they_came(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Revisions stand by number, which is how they came unless one was given again (`2~1a2b`)."""
    if any("~" in row["label"] for row in rows):
        return sorted(rows, key=lambda row: (row["observed_at"], row["position"]))
    return rows


def _of_templates(reader: LedgerReader, workload: Mapping[str, Any]) -> list[Setting]:
    asked = {
        "namespace": workload["namespace"],
        "name": workload["name"],
        "workload_uid": workload["uid"],
    }
    told: list[Setting] = []
    before: dict[str, Any] = {}
    for row in _as_they_came(reader.query("revision", asked)):
        if row["template"] is None:
            continue
        after = fields_of(json.loads(row["template"]))
        fresh = row["change_cause_state"] in ("fresh", "late")
        for field in sorted({*before, *after}):
            old, new = before.get(field), after.get(field)
            # What is hidden under two keys may be the same: nobody is said to have set it.
            if old == new or (field in before and field in after and not comparable(old, new)):
                continue
            told.append(
                Setting(
                    field=field,
                    number=row["number"],
                    generation=row["generation"],
                    at=row["observed_at"],
                    trigger=row["trigger"],
                    old=_text(old) if field in before else None,
                    new=_text(new) if field in after else None,
                    change_cause=row["change_cause"] if fresh else None,
                    author=_author(row),
                )
            )
        before = after
    return told


def _of_spec(reader: LedgerReader, workload: Mapping[str, Any]) -> list[Setting]:
    asked = {"workload_uid": workload["uid"]}
    told = [
        _spec_setting(row, row["field"], row["old"], row["new"], "spec")
        for row in reader.query("spec_history", asked)
        if row["field"] != "template"
    ]
    known = {(each.field, each.generation) for each in told}
    for row in reader.query("first_spec", asked):
        trigger = "create" if row["generation"] == 1 else "found"
        told += [
            _spec_setting(row, each.field, None, each.new, trigger)
            for each in changes({}, json.loads(row["spec"]))
            if (each.field, row["generation"]) not in known
        ]
    return told


def _spec_setting(
    row: Mapping[str, Any], field: str, old: str | None, new: str | None, trigger: str
) -> Setting:
    at, author = row["observed_at"], _author(row)
    return Setting(field, None, row["generation"], at, trigger, old, new, None, author)


def _author(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in NOBODY}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
