"""A driver for bad days: what the API server did not answer is asked again, as people do."""

from __future__ import annotations

import http.client
import time

from tests.lab.api import RefusedError
from tests.lab.driver import POLL_SECONDS, Command, Driver
from tests.lab.process import LabError
from tests.lab.settling import Snapshot
from tests.lab.users import ALICE

OUTAGE_SECONDS = 60.0
UNANSWERED = (OSError, http.client.HTTPException, RefusedError)


class PatientDriver(Driver):
    """Runs every command until it works; only for commands that may be run twice."""

    def run(
        self,
        *arguments: str,
        user: str = ALICE,
        namespace: str | None = None,
        stdin: str = "",
        fails: bool = False,
    ) -> Command:
        """Run `kubectl <arguments>` as `user` until it goes as expected."""
        deadline = time.monotonic() + OUTAGE_SECONDS
        while True:
            command = self.attempt(*arguments, user=user, namespace=namespace, stdin=stdin)
            if bool(command.exit) == fails:
                return command
            if time.monotonic() > deadline:
                raise LabError(f"{self.step}: {command.argv}: {command.stderr}")
            time.sleep(POLL_SECONDS)

    def snapshot(self, namespace: str | None = None) -> Snapshot:
        """The kept objects of one namespace, once the API server tells them."""
        deadline = time.monotonic() + OUTAGE_SECONDS
        while True:
            try:
                return super().snapshot(namespace)
            except UNANSWERED:
                self.api.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
