"""Originals through the real line: sealed by the watcher, found by the fold, opened to what was."""

from __future__ import annotations

import json
import logging
import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.follow import Follower
from consumers.rebuild import rebuild
from ledger.canonical import digest, from_bytes, normal_template, to_bytes
from ledger.digest import ledger_digest
from ledger.envelope import Document, Envelope, parse
from ledger.errors import SealingFailed
from ledger.log.memory import MemoryLog
from ledger.log.sqlite import LogFile
from ledger.metrics import Exposition, of_watcher
from ledger.model import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from ledger.observe import Observer, Stream
from ledger.originals import Wanted, from_sealed
from ledger.outbox import Outbox
from ledger.reader import LocalReader
from ledger.record import sealed_before
from ledger.redaction import Redactor
from ledger.resume import read_resume
from ledger.safekeeping import Safekeeping
from ledger.sealed import Sealed
from ledger.sealing import sealer_for
from ledger.store import Ledger
from ledger.watcher import Watcher
from ledger.withholding import Alarms
from tests.fake_api import CLUSTER
from tests.invariants import values_of_log
from tests.lab.recording import read_recording
from tests.normal_form import normal_form
from tests.planting import planted
from tests.recorded import KEY, KEY_ID, Values, folded, values_of
from tests.sealed import IDENTITIES, OTHERS
from tests.test_fold_order import shuffled
from tests.test_redaction_line import BEGAN, SEED, NoApi, marks_in
from tests.watching import listings, log_of, serving, values, watching

AT = BEGAN
"""Under policy `strict` nearly every template of the demo loses something."""


def keeping(*recipients: str) -> Safekeeping:
    """Originals sealed to these recipients, or to those of the tests."""
    return Safekeeping(sealer_for(recipients or IDENTITIES.recipients), Alarms().unsealed)


@dataclass(frozen=True)
class Made:
    """The demo, recorded with sealed originals."""

    values: list[bytes]
    ledger: Path


@pytest.fixture(scope="module")
def made(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    values = values_of(demo, "strict", originals=keeping())
    path = tmp_path_factory.mktemp("sealed") / "ledger.db"
    return Made(values, folded(values, path))


def asked(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a ledger answers."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchall()


def originals(demo: Path) -> dict[str, Mapping[str, Any]]:
    """The pod template of every ControllerRevision as the API server gave it, by its name."""
    told = [json.loads(line["raw"]) for line in read_recording(demo) if line["op"] == "watch"]
    revisions = [each["object"] for each in told if each["object"].get("data")]
    return {
        raw["metadata"]["name"]: normal_template(raw["data"]["spec"]["template"])
        for raw in revisions
    }


def documents(values: list[bytes], fact: str) -> list[tuple[int, Document]]:
    """The records of a kind, with their positions."""
    parsed = [(position, parse(value)) for position, value in enumerate(values)]
    return [(position, document) for position, document in parsed if document.fact == fact]


def test_every_template_that_lost_something_is_sealed_once_and_before_its_state(
    made: Made,
) -> None:
    sealed = documents(made.values, "sealed")
    lost: dict[str, int] = {}
    for position, document in documents(made.values, "state"):
        holder = document.data.get("data", document.data)
        template = holder.get("spec", {}).get("template")
        if template and "redacted:" in to_bytes(template).decode():
            lost.setdefault(digest(normal_template(template)), position)
    assert len(lost) > 12
    assert sorted(document.data["template"] for _, document in sealed) == sorted(lost)
    assert all(position < lost[document.data["template"]] for position, document in sealed)
    sequences = [parse(value).sequence for value in made.values]
    assert sequences == sorted(set(sequences))


def test_each_opens_to_what_the_api_server_gave(made: Made, demo: Path) -> None:
    raw, found = originals(demo), 0
    rows = asked(
        made.ledger,
        """
        select revisions.name, template, sealed.position
        from revisions
        join templates on templates.id = template_id
        join sealed on template_digest = digest""",
    )
    for name, template, position in rows:
        if name in raw:
            wanted = Wanted(name, from_bytes(template.encode()))
            opened = from_sealed(made.values[position], IDENTITIES, wanted)
            assert (opened.template, opened.name_hash) == (raw[name], "matches")
            found += 1
    assert found > 12


def test_history_says_where_an_original_is(made: Made) -> None:
    rows = LocalReader(made.ledger).query("history", {"incarnations": "all"})
    told = {(row["live"], row["restorable"], row["restorable_why"]) for row in rows}
    assert {why for _, _, why in told} >= {"live", "sealed"}
    assert all(restorable for _, restorable, _ in told)
    assert {why for live, _, why in told if live} == {"live"}


def test_without_a_recipient_what_is_gone_cannot_be_restored(demo: Path, tmp_path: Path) -> None:
    path = folded(values_of(demo, "strict"), tmp_path / "ledger.db")
    rows = LocalReader(path).query("history", {"incarnations": "all"})
    gone = {row["restorable_why"] for row in rows if not row["restorable"]}
    assert gone == {"secrets were redacted, no original was sealed"}
    assert {row["restorable_why"] for row in rows if row["restorable"]} <= {"live", "recorded"}


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_order_they_are_folded_the_ledger_is_the_same(
    made: Made, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    path = folded(
        shuffled(made.values, dice), tmp_path / "ledger.db", batch=dice.choice((3, 100, 5_000))
    )
    assert normal_form(path) == normal_form(made.ledger)


def test_a_rebuild_gives_the_same_digest(made: Made, tmp_path: Path) -> None:
    path = folded(made.values, tmp_path / "ledger.db", batch=20)
    done = rebuild(Values(made.values), path)
    assert done.digest_before == done.digest_after == ledger_digest(made.ledger)


def test_the_ledger_has_nothing_of_what_is_sealed(made: Made) -> None:
    content = made.ledger.read_bytes()
    for _, document in documents(made.values, "sealed"):
        assert document.data["sealed"][:60].encode() not in content
        assert document.data["recipients"][0].encode() not in content
        assert document.data["key"].encode() in content


def test_a_sealed_record_that_is_none_is_rejected(made: Made, tmp_path: Path) -> None:
    [(position, _), *_] = documents(made.values, "sealed")
    wrong = made.values[position].replace(b'"sealed":"', b'"sealed":17,"was":"')
    path = folded([*made.values[:position], wrong], tmp_path / "ledger.db")
    assert asked(path, "select count(*) from sealed") == [(0,)]
    [(reason,)] = asked(path, "select reason from rejects")
    assert "not a sealed original" in reason


RAW_SET: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {"name": "web", "env": [{"name": "DB_PASSWORD", "value": "zqxjkwv-secret"}]}
                ]
            },
        }
    },
}
RAW_REVISION: dict[str, Any] = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "r1",
        "resourceVersion": "8",
        "labels": {"controller.kubernetes.io/hash": "x"},
    },
    "data": {"spec": {"template": {"$patch": "replace"} | RAW_SET["spec"]["template"]}},
    "revision": 1,
}


def observer(originals: Safekeeping | None) -> Observer:
    """A watcher's observer that keeps originals."""
    return Observer("c0ffee", "feed0001", Redactor("secrets", KEY_ID, KEY), originals=originals)


def test_a_set_and_its_revision_have_one_original_between_them() -> None:
    seen = observer(keeping())
    first = seen.state(to_bytes(RAW_SET), kind=STATEFUL_SETS, at=AT)
    second = seen.state(to_bytes(RAW_REVISION), kind=CONTROLLER_REVISIONS, at=AT)
    assert first is not None
    assert second is not None
    assert first.original is not None
    assert second.original is None
    template = parse(second.value).data["data"]["spec"]["template"]
    assert parse(first.original.value).id.startswith(digest(normal_template(template)))


def test_a_template_that_lost_nothing_is_not_sealed() -> None:
    plain = json.loads(json.dumps(RAW_SET).replace("DB_PASSWORD", "GREETING"))
    plain["metadata"]["annotations"] = {"example.com/token": "zqxjkwv-secret"}
    pod = {
        "metadata": RAW_SET["metadata"] | {"labels": {"statefulset.kubernetes.io/pod-name": "w"}},
        "spec": RAW_SET["spec"]["template"]["spec"],
    }
    for raw, kind in ((plain, STATEFUL_SETS), (pod, PODS)):
        told = observer(keeping()).state(to_bytes(raw), kind=kind, at=AT)
        assert told is not None
        assert b"redacted:" in told.value
        assert told.original is None


@pytest.mark.parametrize("policy", ["strict", "off"])
def test_another_key_policy_or_recipient_makes_another_record(policy: Any) -> None:
    kept = keeping()
    ids = set()
    for recipients, redactor in (
        (IDENTITIES, Redactor("secrets", KEY_ID, KEY)),
        (IDENTITIES, Redactor("secrets", "other", b"another key of 32 bytes length..")),
        (OTHERS, Redactor("secrets", KEY_ID, KEY)),
    ):
        kept = keeping(*recipients.recipients)
        told = Observer("c0ffee", "feed0001", redactor, originals=kept).state(
            to_bytes(RAW_SET), kind=STATEFUL_SETS, at=AT
        )
        assert told is not None
        assert told.original is not None
        ids.add(told.original.id)
    assert len(ids) == 3
    off = Observer("c0ffee", "feed0001", Redactor("off", KEY_ID, KEY), originals=kept)
    told = off.state(to_bytes(RAW_SET), kind=STATEFUL_SETS, at=AT)
    assert told is not None
    assert told.original is None


class Failing:
    """A sealer whose every attempt fails, with the plaintext at hand."""

    recipients = IDENTITIES.recipients
    key_id = "0123456789abcdef"

    def seal(self, original: Mapping[str, Any], template_digest: str) -> Sealed:
        """Never seals."""
        raise SealingFailed("the original could not be sealed (EncryptError)")


def test_what_cannot_be_sealed_is_recorded_all_the_same_and_told_once() -> None:
    with capture_logs() as alarms:
        kept = Safekeeping(Failing(), Alarms().unsealed)
        seen = observer(kept)
        told = [seen.state(to_bytes(RAW_SET), kind=STATEFUL_SETS, at=AT) for _ in range(3)]
    assert [each.original for each in told if each] == [None] * 3
    assert [parse(each.value).sequence for each in told if each] == [1, 2, 3]
    assert kept.failed == 3
    [alarm] = alarms
    assert (alarm["event"], alarm["name"]) == ("original not sealed", "web")
    assert "zqxjkwv" not in str(alarms) + "".join(str(each) for each in told)
    beat = seen.heartbeat([], at=AT, skew_seconds=None)
    assert parse(beat.value).data["sealing"] == {
        "key": Failing.key_id,
        "recipients": 1,
        "failed": 3,
    }
    watcher = Watcher(NoApi(), MemoryLog(), seen, [], {})
    assert b"ledger_unsealed_total 3.0" in Exposition(lambda: of_watcher(watcher, []))()


def test_an_original_too_large_for_a_record_is_told() -> None:
    huge = json.loads(json.dumps(RAW_SET))
    huge["spec"]["template"]["metadata"]["annotations"] = {"note": "x" * 6_300_000}
    with capture_logs() as alarms:
        told = observer(keeping()).state(to_bytes(huge), kind=STATEFUL_SETS, at=AT)
    assert told is not None
    assert told.original is None
    assert [alarm["reason"] for alarm in alarms] == [
        "the sealed original is too large for a record"
    ]


def test_the_queue_puts_an_original_before_its_state() -> None:
    outbox = Outbox(MemoryLog())
    told = observer(keeping()).state(to_bytes(RAW_SET), kind=STATEFUL_SETS, at=AT)
    assert told is not None
    outbox.put(told)
    assert outbox.waiting == 2
    assert told.in_order == (told.original, told)


async def test_what_the_ledger_found_in_this_log_is_not_sealed_again(
    made: Made, tmp_path: Path
) -> None:
    async def known(values: list[bytes], ledger: Path) -> set[str]:
        log = MemoryLog()
        if values:
            await log.append([Envelope("", value) for value in values])
        return set(await sealed_before(log, ledger))

    ids = {document.id for _, document in documents(made.values, "sealed")}
    assert await known(made.values, made.ledger) == ids
    # Of another log, of one that was cut short, and of no ledger at all, nothing is believed.
    assert await known(made.values[1:], made.ledger) == set()
    assert await known(made.values[:5], made.ledger) == set()
    assert await known([], made.ledger) == set()
    assert await known(made.values, tmp_path / "none.db") == set()


def test_what_is_known_is_not_sealed_again(demo: Path) -> None:
    first = values_of(demo, "strict", originals=keeping())
    ids = [document.id for _, document in documents(first, "sealed")]
    kept = keeping()
    kept.know(ids[:-1])
    again = values_of(demo, "strict", "feed0002", kept)
    assert [document.id for _, document in documents(again, "sealed")] == ids[-1:]
    others = keeping(*OTHERS.recipients)
    others.know(ids)
    again = values_of(demo, "strict", "feed0003", others)
    assert len(documents(again, "sealed")) == len(ids)


async def test_what_was_told_before_anybody_sealed_is_sealed_beside_the_watch(
    tmp_path: Path,
) -> None:
    sets = Stream(STATEFUL_SETS, "*")
    key = "statefulsets/*"
    async with serving(tmp_path) as (api, cluster):
        api.put("statefulsets", "web", template=RAW_SET["spec"]["template"])
        async with watching(cluster, [sets]) as watch:
            await watch.until(lambda found: ("snapshot-end", key) in found)
        log = watch.log
        assert documents(await values(log), "sealed") == []
        async with watching(cluster, [sets], log=log, instance="aaaa0002") as watch:
            [stream] = watch.watcher.observers
            watch.watcher.observer.originals = keeping()
            stream.wants_list = True
            await watch.until(lambda found: listings(found, key) == 2)
            assert not stream.wants_list
        [(position, sealed)] = documents(await values(log), "sealed")
        [*_, (state_position, state)] = documents(await values(log), "state")
    assert position < state_position
    assert sealed.data["template"] == digest(state.data["spec"]["template"])
    resume = await read_resume(log, [sets], cluster=CLUSTER)
    assert resume.cursors[key].sealing_key == sealed.data["key"]
    assert resume.sealed == {sealed.id}


async def test_until_that_list_has_ended_the_log_asks_for_it_again(tmp_path: Path) -> None:
    sets = Stream(STATEFUL_SETS, "*")
    async with serving(tmp_path) as (api, cluster):
        for number in range(3):
            api.put("statefulsets", f"web-{number}", template=RAW_SET["spec"]["template"])
        async with watching(cluster, [sets]) as watch:
            await watch.until(lambda found: ("snapshot-end", sets.key) in found)
        before = await values(watch.log)
        async with watching(cluster, [sets], log=watch.log, instance="aaaa0002") as watch:
            watch.watcher.observer.originals = keeping()
            watch.watcher.observers[0].wants_list = True
            await watch.until(lambda found: listings(found, sets.key) == 2)
        told = await values(watch.log)
    ended = next(
        position
        for position, document in documents(told, "coverage")
        if position >= len(before) and document.data["mark"] == "snapshot-end"
    )
    # Whenever the watcher is killed, the next one knows whether to list.
    for length in range(len(before), len(told) + 1):
        resume = await read_resume(await log_of(told[:length]), [sets], cluster=CLUSTER)
        is_done = resume.cursors[sets.key].sealing_key == keeping().sealer.key_id
        assert is_done == (length > ended), length


def test_nothing_of_any_secret_is_in_a_log_with_originals(tmp_path: Path) -> None:
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    kept, sealed = keeping(), 0
    seen = Observer("c0ffee", "feed0001", Redactor("secrets", KEY_ID, KEY), originals=kept)
    try:
        with (
            capture_logs() as entries,
            LogFile.create(tmp_path / "log.db") as log,
            Ledger.open(tmp_path / "ledger.db") as ledger,
        ):
            values = []
            for number, one in enumerate(planted(3_000, seed=SEED + 7)):
                at = AT + timedelta(seconds=number)
                envelope = seen.state(one.raw, kind=one.kind, at=at)
                assert envelope is not None
                sealed += envelope.original is not None
                values += [each.value for each in envelope.in_order]
            log.append(values)
            Follower(log, ledger).catch_up()
            assert sealed > 500
            assert marks_in("\n".join([*told, *map(str, entries)])) == []
            for path in tmp_path.iterdir():
                assert marks_in(path.read_bytes()) == []
    finally:
        logging.getLogger().removeHandler(handler)
    assert [
        i for i, value in enumerate(values_of_log(tmp_path / "log.db")) if marks_in(value)
    ] == []
