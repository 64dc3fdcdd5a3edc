"""Envelopes as the batches that one request carries to Kafka, labelled for people who look at the
topic with other tools.

Sending them is left to kafka.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ledger.envelope import MEDIA_TYPE, Envelope

HEADERS = [("content-type", MEDIA_TYPE.encode())]


def batches(producer: Any, envelopes: Sequence[Envelope]) -> Iterator[Any]:
    """Full batches, each built when the one before is acknowledged. The key is the cluster that
    they are of.
    """
    key = _cluster(envelopes[0].value) if envelopes else None
    batch = producer.create_batch()
    for envelope in envelopes:
        while not batch.append(timestamp=None, key=key, value=envelope.value, headers=HEADERS):
            yield batch
            batch = producer.create_batch()
    if batch.record_count():
        batch.close()
        yield batch


class _Sourced(msgspec.Struct):
    source: str


_sourced = msgspec.json.Decoder(_Sourced)


def _cluster(value: bytes) -> bytes | None:
    # There is one partition, so the key decides nothing.
    try:
        return _sourced.decode(value).source.removeprefix("/clusters/").encode()
    except msgspec.DecodeError:
        return None
