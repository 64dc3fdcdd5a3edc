"""Everything that can go wrong in words a user understands.

LedgerError                 exit 1
├── UsageError              exit 2
├── NotRecorded             exit 3
├── LedgerUnusable
│   ├── LedgerBusy
│   │   └── LedgerLocked
│   ├── LedgerDamaged
│   └── LedgerUnwritable
├── LogUnusable
│   ├── LogTruncated
│   └── LogUnreachable
├── OtherCluster
├── ClusterUnreachable
│   ├── Unauthorized
│   ├── Forbidden
│   └── Refused
├── ConfigurationInvalid
├── KeyMismatch
├── KeyUnreadable
├── RedactionFailed
├── SealingFailed
├── IdentityUnusable
├── NotRestorable
├── TamperedOriginal
├── BackupFailed
└── PoisonRecord

Each error is one sentence and, where there is something to do about it, one hint. The command line
prints `error: <sentence>` and `hint: <hint>` and ends with the class's exit code; it never shows a
traceback for one of these. Expected endings of a stream (410 Gone, end of file, timeout) are not
here: they are branches in watch.py.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Something failed that the user can read about in one line."""

    exit_code = 1
    retriable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LedgerError):
    """The command was called with words that do not fit together."""

    exit_code = 2


class NotRecorded(LedgerError):
    """The ledger holds nothing about what was asked."""

    exit_code = 3


class LedgerUnusable(LedgerError):
    """The ledger file is missing, unreadable, or not a ledger."""


class LedgerBusy(LedgerUnusable):
    """Another process is writing this ledger."""


class LedgerLocked(LedgerBusy):
    """Another program, which is no consumer, keeps the ledger's file locked."""

    retriable = True


class LedgerDamaged(LedgerUnusable):
    """The ledger file's bytes are not what was written."""


class LedgerUnwritable(LedgerUnusable):
    """The disk under the ledger is full or does not answer."""

    retriable = True


class LogUnusable(LedgerError):
    """The log cannot be used: a wrong address, a foreign file, or a topic set up wrongly."""


class LogTruncated(LogUnusable):
    """Records that the ledger has read, or should read next, are gone from the log."""


class LogUnreachable(LogUnusable):
    """The log's server does not answer."""

    retriable = True


class OtherCluster(LedgerError):
    """The log or ledger belongs to another cluster."""


class ClusterUnreachable(LedgerError):
    """The API server does not answer."""

    retriable = True


class Unauthorized(ClusterUnreachable):
    """The API server does not accept the credentials."""


class Forbidden(ClusterUnreachable):
    """The credentials lack a right."""

    retriable = False


class Refused(ClusterUnreachable):
    """The API server answers with an error: `code` is the HTTP status, `reason` its own word."""

    def __init__(self, message: str, *, code: int, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class ConfigurationInvalid(LedgerError):
    """A file or setting that the command needs cannot be used."""


class KeyMismatch(LedgerError):
    """The log was redacted under a key that this key ring does not hold."""


class KeyUnreadable(LedgerError):
    """A key file is damaged, unreadable, or open to others."""


class RedactionFailed(LedgerError):
    """An object could not be examined for secrets, so its content is withheld."""


class SealingFailed(LedgerError):
    """An original template could not be encrypted, so there is none to restore it from."""


class IdentityUnusable(LedgerError):
    """An age identity cannot be read, or opens none of what it should."""


class NotRestorable(LedgerError):
    """A revision's original template cannot be had from where it was looked for."""


class TamperedOriginal(LedgerError):
    """An original template is not the one that was recorded."""


class BackupFailed(LedgerError):
    """No backup was made; one that was there before is as it was."""


class PoisonRecord(LedgerError):
    """A record's bytes are not one of our documents."""
