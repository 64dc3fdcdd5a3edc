"""`watch`, `consume`, `serve` and `web`: the parts of the line as processes."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.audit_options import AuditOptions, audit_options
from ledger.cli.options import installation
from ledger.hardening import harden
from ledger.settings import Settings
from ledger.watchdog import Watchdog

if TYPE_CHECKING:
    from ledger.own_rules import OwnRules
    from ledger.safekeeping import Seals


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which cluster to record."""
    for option in reversed(
        (
            click.option("--kubeconfig", metavar="FILE", help="Kubeconfig file to use."),
            click.option("--context", metavar="NAME", help="Context of the kubeconfig to use."),
            click.option(
                "-n",
                "--namespace",
                "namespaces",
                multiple=True,
                metavar="NAME",
                help="Record only this namespace; may be given several times.",
            ),
            click.option(
                "--cluster-id",
                default="",
                metavar="UID",
                help="The cluster's id, where namespace kube-system may not be read.",
            ),
            click.option(
                "--redaction",
                "policy",
                type=click.Choice(["secrets", "strict", "off"]),
                default="secrets",
                show_default=True,
                help="How secrets are hidden before they reach the log.",
            ),
            click.option(
                "--redaction-rules",
                "rules",
                metavar="FILE",
                help="Your own rules of redaction; default: redaction.toml below the data folder.",
            ),
            click.option(
                "--seal-to",
                multiple=True,
                metavar="RECIPIENT",
                help="Keep the originals of pod templates with secrets, encrypted for this age "
                "recipient (age1…, or a file of them); may be given several times.",
            ),
        )
    ):
        command = option(command)
    return command


def web_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where to serve the ledger."""
    port = click.option("--port", default=8001, show_default=True, help="Port to listen on.")
    host = click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; loopback only: nobody is asked for a password here.",
    )
    return host(port(command))


health_option = click.option(
    "--health",
    default="",
    metavar="HOST:PORT",
    help="Answer /livez, /readyz and /metrics there; :9464 is loopback.",
)


@click.command()
@installation
@cluster_options
@audit_options
@health_option
def watch(
    settings: Settings,
    kubeconfig: str | None,
    context: str | None,
    namespaces: tuple[str, ...],
    cluster_id: str,
    policy: Any,
    rules: str | None,
    seal_to: tuple[str, ...],
    audit: AuditOptions,
    health: str,
) -> None:
    """Record a cluster into the log.

    Looks only: the rights it needs are in compose/kubernetes/rbac.yaml. Ctrl-C ends it cleanly; the
    next start goes on where this one stopped.

    \b
    Example:
      rollout-ledger watch --context prod
      rollout-ledger watch -n shop -n data --log kafka://broker:9092/prod
      rollout-ledger watch --audit-log /var/log/kubernetes/audit.log
      rollout-ledger watch --seal-to age1…
    """
    from ledger.disk import refuse_network, warn_of_sqlite
    from ledger.errors import LogUnusable
    from ledger.record import Target, record

    harden()
    _log_to_stderr()
    if settings.log_address.startswith("sqlite:"):
        refuse_network(settings.log_file, LogUnusable)
        warn_of_sqlite()
    target = Target(
        kubeconfig,
        context,
        namespaces,
        cluster_id,
        policy,
        own_rules_of(settings, rules),
        audit_files=audit.audit_files(),
        audit_webhook=audit.webhook_settings(),
        trusts_stamp=audit.trusts_stamp,
        annotation_keys=audit.annotation_keys(),
        sealer=sealer_of(seal_to),
    )
    until_stopped(
        lambda stop, watchdog: record(settings, target, stop, health=health, watchdog=watchdog)
    )


@click.command()
@installation
@click.option("--once", is_flag=True, help="Stop at the log's head.")
@click.option(
    "--accept-loss",
    is_flag=True,
    help="Go on although records are gone from the topic; a gap is written in their place.",
)
@health_option
def consume(settings: Settings, *, once: bool, accept_loss: bool, health: str) -> None:
    """Fold the log into the ledger.

    \b
    Example:
      rollout-ledger consume --once
      rollout-ledger consume --log kafka://broker:9092/prod
    """
    from consumers.consume import consume as run
    from ledger.disk import warn_of_sqlite

    harden()
    warn_of_sqlite()
    done = until_stopped(
        lambda stop, watchdog: run(
            settings,
            once=once,
            accept_loss=accept_loss,
            stop=stop,
            health=health,
            watchdog=watchdog,
        )
    )
    if once:
        archived = f"{done.archived} records archived, " if settings.log.startswith("kafka") else ""
        click.echo(f"{archived}{done.folded} records folded into {settings.ledger_path}")


@click.command()
@installation
@web_options
def web(settings: Settings, host: str, port: int) -> None:
    """Serve the ledger in Datasette, read-only and live.

    \b
    Example:
      rollout-ledger web --port 8001
    """
    from ledger.web import serve as serve_datasette

    serve_datasette(settings.ledger_path, host=host, port=port)


@click.command()
@click.pass_context
@installation
@cluster_options
@audit_options
@web_options
@health_option
def serve(
    context_: click.Context,
    settings: Settings,
    kubeconfig: str | None,
    context: str | None,
    namespaces: tuple[str, ...],
    cluster_id: str,
    policy: str,
    rules: str | None,
    seal_to: tuple[str, ...],
    audit: AuditOptions,
    host: str,
    port: int,
    health: str,
) -> None:
    """Record a cluster, keep its ledger and serve it: the one-machine product.

    \b
    Example:
      rollout-ledger serve --context prod
    """
    from consumers.serve import serve as run
    from ledger.disk import refuse_network, warn_of_sqlite
    from ledger.errors import LedgerUnusable, LogUnusable

    harden()
    own_rules_of(settings, rules), sealer_of(seal_to)
    refuse_network(settings.log_file, LogUnusable)
    refuse_network(settings.ledger_path, LedgerUnusable)
    warn_of_sqlite()
    place = ["--data", str(settings.data)] + (["--log", settings.log] if settings.log else [])
    place += ["--ledger", settings.ledger] if settings.ledger else []
    cluster = [f"--redaction={policy}"]
    for name, value in (
        ("kubeconfig", kubeconfig),
        ("context", context),
        ("cluster-id", cluster_id),
        ("redaction-rules", rules),
    ):
        cluster += [f"--{name}={value}"] if value else []
    cluster += [f"--namespace={namespace}" for namespace in namespaces]
    cluster += [f"--seal-to={recipient}" for recipient in seal_to]
    audit.annotation_keys(), audit.webhook_settings()
    cluster += audit.arguments()
    parts = {
        "watch": ["watch", *place, *cluster],
        "consume": ["consume", *place],
        "web": ["web", *place, f"--host={host}", f"--port={port}"],
    }
    context_.exit(run(parts, ledger=settings.ledger_path, health=health, web=(host, port)))


def sealer_of(seal_to: tuple[str, ...]) -> Seals | None:
    """A sealer to these recipients; None when nobody was named."""
    if not seal_to:
        return None
    from ledger.sealing import sealer_for

    return sealer_for(seal_to)


def own_rules_of(settings: Settings, rules: str | None) -> OwnRules:
    """The rules of the file that is named, or of the one that is there."""
    from ledger import own_rules

    path = Path(rules) if rules else settings.data / own_rules.FILE
    return own_rules.read(path) if rules or path.exists() else own_rules.NONE


def _log_to_stderr() -> None:
    """What a watcher has to say while it runs is JSON, a line each, on stderr."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        # Whatever stderr is when something is said, not what it was when this was set up.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def until_stopped(run: Callable[[asyncio.Event, Watchdog], Coroutine[Any, Any, Any]]) -> Any:
    """Run to the end, or until SIGTERM or Ctrl-C has asked it to stop; what it returned. Should it
    hang meanwhile, the process ends with code 70.
    """
    watchdog, ending = Watchdog(), ExitStack()

    async def supervised() -> Any:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            async with watchdog.loop():
                return await run(stop, watchdog)
        finally:
            # What a thread still does is waited for without an end of its own.
            ending.enter_context(watchdog.step("ending"))

    with watchdog.running(), ending:
        return asyncio.run(supervised())
