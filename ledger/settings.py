"""Where things are: one frozen Settings, made once by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """The installation a command works on."""

    data: Path
    """Folder that holds log/, ledger/, keys/ and checkpoints/. Default: the platform's user data
    folder.
    """

    ledger: str = ""
    """The ledger's path, or the address of a Datasette database serving one. Default:
    ledger/ledger.db below data.
    """

    log: str = ""
    """The log's address: sqlite:///path, kafka://host:9092/topic or memory:. Default: log/log.db
    below data.
    """

    token: str = ""
    """Bearer token for a remote ledger."""

    @property
    def ledger_address(self) -> str:
        """The ledger to read."""
        return self.ledger or str(self.ledger_path)

    @property
    def ledger_path(self) -> Path:
        """The ledger to write: always a local file."""
        is_local = self.ledger and not self.ledger.startswith(("http://", "https://"))
        return Path(self.ledger) if is_local else self.data / "ledger" / "ledger.db"

    @property
    def log_address(self) -> str:
        """The log that watchers append to."""
        return self.log or f"sqlite://{(self.data / 'log' / 'log.db').absolute()}"

    @property
    def log_file(self) -> Path:
        """log.db: the log itself when embedded, the archive of the topic with Kafka."""
        from ledger.log import sqlite_path

        if self.log.startswith("sqlite:"):
            return Path(sqlite_path(self.log))
        return self.data / "log" / "log.db"

    @property
    def keys(self) -> Path:
        """The key ring's folder."""
        return self.data / "keys"
