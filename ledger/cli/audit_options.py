"""The options that say where audit events come from, and what annotations mean."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.errors import ConfigurationInvalid, UsageError

if TYPE_CHECKING:
    from ledger.audit.credentials import WebhookSettings

Command = Callable[..., Any]
ROLES = ("ticket", "approver", "commit", "pipeline")
_WEBHOOK = ("webhook", "webhook_cert", "webhook_key", "webhook_token_file", "webhook_client_ca")


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What was asked for, as it was given."""

    files: tuple[str, ...]
    webhook: dict[str, str]
    trusts_stamp: bool
    annotations: tuple[str, ...]

    def arguments(self) -> list[str]:
        """The same on a command line."""
        given = [f"--audit-log={file}" for file in self.files]
        given += [f"--audit-{name}={value}" for name, value in self.webhook.items() if value]
        given += ["--admission-stamp"] if self.trusts_stamp else []
        return given + [f"--annotation={each}" for each in self.annotations]

    def audit_files(self) -> tuple[Path, ...]:
        """The files to follow."""
        return tuple(dict.fromkeys(Path(file).absolute() for file in self.files))

    def annotation_keys(self) -> dict[str, str]:
        """Annotation keys by role. Raises UsageError for what is none."""
        keys = dict(each.partition("=")[::2] for each in self.annotations)
        for role, key in keys.items():
            if role not in ROLES or not key or " " in key:
                raise UsageError(
                    f"{role}={key} says no annotation's role",
                    hint=f"--annotation ROLE=KEY, where ROLE is one of {', '.join(ROLES)}",
                )
        return keys

    def webhook_settings(self) -> WebhookSettings | None:
        """Where to take events from the API server. Raises ConfigurationInvalid without TLS,
        UsageError for what would have no effect.
        """
        from ledger.audit.credentials import WebhookSettings

        path = {name: Path(value) if value else None for name, value in self.webhook.items()}
        if not self.webhook["webhook"]:
            if any(self.webhook.values()):
                raise UsageError(
                    "the audit webhook has no address", hint="give --audit-webhook HOST:PORT"
                )
            return None
        certificate, key = path["webhook-cert"], path["webhook-key"]
        if certificate is None or key is None:
            raise ConfigurationInvalid(
                "the audit webhook needs TLS: audit events hold names and addresses",
                hint="give --audit-webhook-cert and --audit-webhook-key",
            )
        return WebhookSettings(
            self.webhook["webhook"],
            certificate,
            key,
            path["webhook-token-file"],
            path["webhook-client-ca"],
        )


def audit_options(command: Command) -> Command:
    """Give the command `audit`, an AuditOptions."""

    @functools.wraps(command)
    def with_audit(*args: Any, **kwargs: Any) -> Any:
        files = kwargs.pop("audit_log")
        webhook = {name.replace("_", "-"): kwargs.pop(f"audit_{name}") for name in _WEBHOOK}
        stamp, said = kwargs.pop("trusts_stamp"), kwargs.pop("annotations")
        return command(*args, audit=AuditOptions(files, webhook, stamp, said), **kwargs)

    for option in reversed(_OPTIONS):
        with_audit = option(with_audit)
    return with_audit


_OPTIONS = (
    click.option(
        "--audit-log",
        multiple=True,
        metavar="FILE",
        help="Follow this audit log of the API server; may be given several times.",
    ),
    click.option(
        "--audit-webhook",
        default="",
        metavar="HOST:PORT",
        help="Take audit events from the API server's batch webhook there, over TLS.",
    ),
    click.option(
        "--audit-webhook-cert", default="", metavar="FILE", help="Our certificate there, PEM."
    ),
    click.option("--audit-webhook-key", default="", metavar="FILE", help="Its key, PEM."),
    click.option(
        "--audit-webhook-token-file",
        default="",
        metavar="FILE",
        help="Let in who sends this bearer token.",
    ),
    click.option(
        "--audit-webhook-client-ca",
        default="",
        metavar="FILE",
        help="Let in who shows a certificate of this authority.",
    ),
    click.option(
        "--admission-stamp",
        "trusts_stamp",
        is_flag=True,
        help="The cluster has the policy of compose/kubernetes/admission-stamp.yaml.",
    ),
    click.option(
        "--annotation",
        "annotations",
        multiple=True,
        metavar="ROLE=KEY",
        help=f"An annotation that holds a change's {', '.join(ROLES)}.",
    ),
)
