"""Makes and deletes topics on a broker, the lab's own or an outside one."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from tests.lab.process import LabError


class Topics(ABC):
    """A Kafka that topics can be made on."""

    @property
    @abstractmethod
    def address(self) -> str:
        """`host:port` for clients."""

    def create_topic(
        self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """Return when the topic exists, on as many brokers as there are, at most 3."""

        async def create(client: AIOKafkaAdminClient) -> None:
            copies = min(3, len((await client.describe_cluster())["brokers"]))
            topic = NewTopic(name, partitions, copies, topic_configs=dict(config or {}))
            _check(await client.create_topics([topic]))

        _administer(self.address, create)

    def delete_topic(self, name: str) -> None:
        """Return when the topic is deleted."""

        async def delete(client: AIOKafkaAdminClient) -> None:
            _check(await client.delete_topics([name]))

        _administer(self.address, delete)


def _check(response: object) -> None:
    """Raise what the broker said about a topic, if it was not success."""
    errors = getattr(response, "topic_errors", None) or getattr(response, "topic_error_codes", [])
    for name, code, *_ in errors:
        if code:
            raise LabError(f"topic {name}: {for_code(code).__name__}")


def _administer(address: str, work: Callable[[AIOKafkaAdminClient], Awaitable[None]]) -> None:
    """Do the work in a loop and thread of its own, so that async tests may call us too."""

    async def session() -> None:
        client = AIOKafkaAdminClient(bootstrap_servers=address)
        try:
            await client.start()
            await work(client)
        except KafkaError as error:
            raise LabError(f"Kafka at {address}: {error}") from error
        finally:
            await client.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, session()).result()
