"""Where an original comes from; what is forged, damaged, hidden or not ours to open is refused."""

from __future__ import annotations

import base64
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import digest, to_bytes
from ledger.envelope import seal
from ledger.errors import IdentityUnusable, LedgerError, NotRestorable, TamperedOriginal
from ledger.originals import Wanted, from_live, from_recorded, from_sealed
from ledger.redaction import Redactor
from ledger.revision_hash import name_of
from ledger.sealed import Sealed, read_sealed
from ledger.sealing import Identities, sealer_for
from tests.sealed import IDENTITIES, OTHERS, record_of

REDACTOR = Redactor("secrets", "k1", b"k" * 32)
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "nginx:1.27",
                "args": ["--password=hunter2", "-v"],
                "env": [{"name": "DB_PASSWORD", "value": "s3cr3t-of-web"}],
            }
        ]
    },
}
DATA = {"spec": {"template": {"$patch": "replace"} | TEMPLATE}}
REVISION = {"metadata": {"name": name_of("web", DATA, 0)}, "data": DATA}


def recorded(template: dict[str, Any] = TEMPLATE, *, collisions: int = 0) -> Wanted:
    """What the ledger has of a revision of `web`."""
    redacted = REDACTOR.redact(template).document
    return Wanted(name_of("web", DATA, collisions), redacted, collisions)


def other_image() -> dict[str, Any]:
    """The template, with another image."""
    other = copy.deepcopy(TEMPLATE)
    other["spec"]["containers"][0]["image"] = "evil:1.27"
    return other


def other_password() -> dict[str, Any]:
    """The template, with another secret."""
    other = copy.deepcopy(TEMPLATE)
    other["spec"]["containers"][0]["env"][0]["value"] = "other"
    return other


def test_the_live_revision_is_the_original() -> None:
    found = from_live(REVISION, recorded())
    assert (found.template, found.source, found.name_hash) == (TEMPLATE, "live", "matches")


def test_an_adopted_revision_is_named_after_the_set_that_it_was_made_for() -> None:
    adopted = replace(recorded(), name=name_of("other", DATA, 0))
    raw = {"metadata": {"name": adopted.name}, "data": DATA}
    assert from_live(raw, adopted).name_hash == "matches"


def test_a_live_revision_with_another_image_is_refused() -> None:
    data = {"spec": {"template": {"$patch": "replace"} | other_image()}}
    with pytest.raises(TamperedOriginal, match="is not what was recorded"):
        from_live(REVISION | {"data": data}, recorded())


@pytest.mark.parametrize("data", [None, {}, [], {"spec": {"template": None}}, {"spec": 3}])
def test_a_live_revision_without_a_template_is_refused(data: Any) -> None:
    with pytest.raises(TamperedOriginal, match="no pod template"):
        from_live(REVISION | {"data": data}, recorded())


def test_what_was_sealed_is_opened_by_its_identity() -> None:
    found = from_sealed(record_of(TEMPLATE, recorded().template), IDENTITIES, recorded())
    assert (found.template, found.source, found.name_hash) == (TEMPLATE, "sealed", "matches")


def test_the_hash_counts_the_collisions_of_the_set() -> None:
    found = from_sealed(record_of(TEMPLATE, recorded().template), IDENTITIES, recorded())
    assert found.name_hash == "matches"
    third = recorded(collisions=2)
    assert from_live(REVISION, third).name_hash == "matches"
    late = Wanted(third.name, third.template, 1)
    assert from_live(REVISION, late).name_hash == "differs"


def test_a_template_that_never_got_a_revision_has_no_hash_to_check() -> None:
    unnamed = Wanted("", recorded().template)
    value = record_of(TEMPLATE, unnamed.template)
    assert from_sealed(value, IDENTITIES, unnamed).name_hash == "unchecked"


def test_another_secret_sealed_in_its_place_is_told_by_the_hash() -> None:
    value = record_of(other_password(), recorded().template)
    assert from_sealed(value, IDENTITIES, recorded()).name_hash == "differs"


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        (record_of(other_image(), recorded().template), "is not what was recorded"),
        (record_of({}, recorded().template), "is not what was recorded"),
        (record_of(other_image(), other_image()), "another template's"),
        (record_of(TEMPLATE, recorded().template)[:-40], "is damaged: not JSON"),
        (b"", "is damaged: not JSON"),
        (seal({"id": "x", "type": "rollout-ledger.state.v1"}, b"{}").value, "is damaged"),
    ],
)
def test_what_is_not_the_record_is_refused(forged: bytes, why: str) -> None:
    with pytest.raises(TamperedOriginal, match=why):
        from_sealed(forged, IDENTITIES, recorded())


def test_another_identity_is_told_whom_it_is_sealed_to() -> None:
    value = record_of(TEMPLATE, recorded().template)
    with pytest.raises(IdentityUnusable, match=IDENTITIES.recipients[0]):
        from_sealed(value, OTHERS, recorded())
    both = Identities(Path("both"), (*OTHERS.keys, *IDENTITIES.keys))
    assert from_sealed(value, both, recorded()).template == TEMPLATE


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 900), byte=st.integers(0, 255), cut=st.booleans())
def test_no_change_of_a_sealed_original_opens(place: int, byte: int, cut: bool) -> None:
    value = record_of(TEMPLATE, recorded().template)
    sealed = read_sealed(value)
    raw = bytearray(base64.b64decode(sealed.sealed))
    place %= len(raw)
    if cut:
        del raw[place:]
    elif raw[place] == byte:
        return
    else:
        raw[place] = byte
    damaged = msgspec.structs.replace(sealed, sealed=base64.b64encode(raw).decode())
    with pytest.raises(LedgerError) as refused:
        from_sealed(as_record(damaged), IDENTITIES, recorded())
    assert isinstance(refused.value, TamperedOriginal)


def test_what_is_sealed_does_not_say_how_long_the_secrets_are() -> None:
    sealer = sealer_for(IDENTITIES.recipients)
    sizes = set()
    for secret in ("x", "a secret of some length", "y" * 60):
        template = copy.deepcopy(TEMPLATE)
        template["spec"]["containers"][0]["env"][0]["value"] = secret
        sealed = base64.b64decode(sealer.seal(template, "").sealed)
        # age puts a line of random length into its header.
        sizes.add(len(sealed) - sealed.index(b"\n--- "))
    assert len(sizes) == 1


def test_a_template_of_a_megabyte_is_sealed_and_opened() -> None:
    huge = copy.deepcopy(TEMPLATE)
    huge["metadata"]["annotations"] = {"note": "x" * 1_500_000}
    revision = Wanted("", REDACTOR.redact(huge).document)
    value = record_of(huge, revision.template)
    assert from_sealed(value, IDENTITIES, revision).template == huge


def test_a_recorded_template_is_its_own_original_when_nothing_is_hidden() -> None:
    plain = {"spec": {"containers": [{"name": "web", "image": "nginx:1.27"}]}}
    data = {"spec": {"template": {"$patch": "replace"} | plain}}
    found = from_recorded(Wanted(name_of("web", data, 0), plain))
    assert (found.template, found.source, found.name_hash) == (plain, "recorded", "matches")


def test_a_recorded_template_with_something_hidden_is_none() -> None:
    with pytest.raises(NotRestorable, match="secrets were redacted") as refused:
        from_recorded(recorded())
    assert "--seal-to" in refused.value.hint


def as_record(sealed: Sealed) -> bytes:
    """A record of sealed data, however it came to be."""
    document = msgspec.json.decode(record_of(TEMPLATE, recorded().template))
    return to_bytes(document | {"data": sealed})


def test_a_record_is_bound_to_the_digest_of_what_was_recorded() -> None:
    assert read_sealed(record_of(TEMPLATE, recorded().template)).template == digest(
        recorded().template
    )
