"""`rebuild`, `backup`, `keys` and `doctor`: looking after an installation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from ledger.cli.options import installation
from ledger.errors import KeyUnreadable, LogUnusable
from ledger.settings import Settings

MARKS = {"ok": "ok", "warning": "warning", "failed": "FAILED"}


@click.command()
@installation
def rebuild(settings: Settings) -> None:
    """Fold the whole log again and put the result in the ledger's place.

    Readers see the old ledger or the new one, never half of it.

    \b
    Example:
      rollout-ledger rebuild
    """
    from consumers.rebuild import rebuild as run
    from ledger.log.sqlite import LogFile

    with LogFile.open(settings.log_file, writable=False) as log:
        done = run(log, settings.ledger_path)
    same = "the same as before" if done.digest_after == done.digest_before else "new"
    click.echo(f"{done.records} records folded into {settings.ledger_path}")
    click.echo(f"digest {done.digest_after} ({same})")


@click.command()
@installation
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(settings: Settings, folder: Path) -> None:
    """Copy the log and the ledger to FOLDER, checked and on disk, while everything runs.

    A backup that is there already is replaced. Keys are not copied. docs/backup.md says how to
    restore.

    \b
    Example:
      rollout-ledger backup /mnt/backup/rollout-ledger
    """
    from ledger.backup import backup as run
    from ledger.model import utc_now

    copied = run(settings.log_file, settings.ledger_path, folder, now=utc_now())
    width = max(len(str(each.path)) for each in copied)
    for each in copied:
        size = f"{each.size_bytes / 1024**2:.1f} MiB"
        until = f"up to position {each.position}" if each.position >= 0 else "empty"
        click.echo(f"{each.path!s:<{width}}   {size:>10}   {until}")
    click.echo(f"{'keys':<{width}}   not copied: keep a copy of {settings.keys} apart from these")


@click.group(invoke_without_command=True)
@click.pass_context
@installation
def keys(context: click.Context, settings: Settings) -> None:
    """List the keys that hide secrets and sign tree heads.

    \b
    Example:
      rollout-ledger keys
      rollout-ledger keys rotate
      rollout-ledger keys identity --out ~/rollout-ledger.identity
    """
    if context.invoked_subcommand is None:
        from ledger.keys import KeyRing

        for row in KeyRing.open(settings.keys).describe():
            since = f"   since {row['created_at']}" if row["created_at"] else ""
            click.echo(f"{row['id']}   {row['kind']:<9}   {row['state']:<7}   {row['path']}{since}")


@keys.command()
@installation
def rotate(settings: Settings) -> None:
    """Make a new redaction key and retire the old one.

    Secrets hidden under different keys cannot be compared: a diff across the rotation says so, and
    no change is inferred from it. Restart the watcher afterwards.

    \b
    Example:
      rollout-ledger keys rotate
    """
    from ledger.keys import KeyRing
    from ledger.model import utc_now

    try:
        ring = KeyRing.open(settings.keys)
    except KeyUnreadable:
        if settings.keys.exists() and any(settings.keys.iterdir()):
            raise
        ring = KeyRing.open_or_create(settings.keys, now=utc_now())
    rotated = ring.rotate(now=utc_now(), also_retire=asyncio.run(_key_of_log(settings)))
    click.echo(f"new redaction key {rotated.current.id}; {ring.current.id} is retired")


@keys.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to make."
)
@installation
def identity(settings: Settings, out: Path) -> None:
    """Make an age identity, which opens sealed originals, and print its recipient.

    Keep it away from the data: whoever has both can read the secrets. `watch` and `serve` need the
    recipient alone.

    \b
    Example:
      rollout-ledger keys identity --out ~/rollout-ledger.identity
    """
    from ledger.model import utc_now
    from ledger.sealing import make_identity

    apart_from = (settings.data, settings.log_file.parent, settings.ledger_path.parent)
    click.echo(make_identity(out, apart_from=apart_from, now=utc_now()))


@click.command()
@installation
@click.option("--kubeconfig", metavar="FILE", help="Kubeconfig file to use.")
@click.option("--context", "kube_context", metavar="NAME", help="Context to use.")
@click.pass_context
def doctor(
    context: click.Context, settings: Settings, kubeconfig: str | None, kube_context: str | None
) -> None:
    """Say what is wrong with this installation, each finding with its remedy.

    Looks only. Exit code 1 when something failed.

    \b
    Example:
      rollout-ledger doctor --context prod
    """
    from ledger.doctor import examine

    findings = asyncio.run(examine(settings, kubeconfig=kubeconfig, context=kube_context))
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        click.echo(f"{MARKS[finding.state]:<7}   {finding.check:<{width}}   {finding.detail}")
        if finding.remedy:
            click.echo(f"{'':<7}   {'':<{width}}   -> {finding.remedy}")
    if any(finding.state == "failed" for finding in findings):
        context.exit(1)


async def _key_of_log(settings: Settings) -> str:
    """The key id the log was last written with; empty where there is no log yet."""
    from ledger.log import open_log
    from ledger.resume import read_redaction_key

    if not settings.log.startswith("kafka:") and not settings.log_file.exists():
        return ""
    try:
        log = await open_log(settings.log_address)
    except LogUnusable:
        return ""
    try:
        return await read_redaction_key(log)
    finally:
        await log.close()
