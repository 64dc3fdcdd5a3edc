"""An operator as people write them: it looks at StatefulSets, and undoes what it does not like.

A partition is not for people to set: where it finds one it writes 0 over it, as itself and
with a whole object, often in the same second as the one who set it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType

from tests.lab.api import Api, NotFoundError, RefusedError
from tests.lab.cluster import Cluster
from tests.lab.settling import Raw
from tests.lab.users import OPERATOR

LOOK_SECONDS = 0.02


@dataclass
class Operator:
    """Works inside `with`; `writes` holds what it has written: (uid, generation)."""

    cluster: Cluster
    namespace: str
    writes: set[tuple[str, int]] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Operator:
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def is_content(self, sets: Iterable[Raw]) -> bool:
        """Whether it leaves the sets as they are."""
        return not any(map(_partition, sets))

    def _work(self) -> None:
        api = Api(self.cluster.kubeconfig(OPERATOR))
        while not self._stopped.wait(LOOK_SECONDS):
            for raw_set in api.items("statefulsets", self.namespace):
                if _partition(raw_set):
                    self._write(api, raw_set)

    def _write(self, api: Api, raw_set: Raw) -> None:
        metadata = raw_set["metadata"]
        raw_set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0
        path = f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{metadata['name']}"
        try:
            written = api.replace(path, raw_set)["metadata"]
        except (RefusedError, NotFoundError):
            return  # Somebody wrote meanwhile: it looks again.
        self.writes.add((written["uid"], written["generation"]))


def _partition(raw_set: Raw) -> int:
    strategy = raw_set["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return int(strategy.get("partition", 0))
