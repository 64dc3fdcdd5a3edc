"""`demo`: a recorded cluster through the real line, in the first two minutes of every new user."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path

import click

from ledger.cli import run
from ledger.cli.options import installation
from ledger.cli.record import web_options
from ledger.errors import ConfigurationInvalid
from ledger.keys import KeyRing
from ledger.log.sqlite import SqliteLog
from ledger.model import utc_now
from ledger.observe import Observer
from ledger.redaction import Redactor
from ledger.settings import Settings

MARK = "this folder is made anew by `rollout-ledger demo`\n"
MARK_FILE = "DEMO"


@click.command()
@click.option("--no-web", is_flag=True, help="End after printing, without serving Datasette.")
@web_options
@installation
def demo(settings: Settings, host: str, port: int, *, no_web: bool) -> None:
    """Replay a recorded cluster, print its history, then serve it.

    The recording is of a real control plane; it takes the same line as a live one: redacted,
    logged, folded. No cluster and no Kafka are needed, and your own ledger is not touched.

    \b
    Example:
      rollout-ledger demo
      rollout-ledger demo --no-web
    """
    place = Settings(fresh_folder(settings.data / "demo"))
    lines, records = asyncio.run(replayed(place))
    click.echo(
        f"Replayed {lines} lines of a recorded cluster into {records} records ({place.data}).\n"
    )
    for title, arguments in STORY:
        click.echo(f"# {title}\n$ rollout-ledger {' '.join(arguments)}")
        run([*arguments, "--data", str(place.data)])
        click.echo()
    click.echo(f"Ask it yourself:  export ROLLOUT_LEDGER_DATA={place.data}")
    click.echo("For an auditor:   rollout-ledger report changes --out evidence")
    if not no_web:
        from ledger.web import serve

        serve(place.ledger_path, host=host, port=port)


STORY = (
    ("What kubectl still lists of shop/web", ["history", "sts/web", "-n", "shop", "-o", "kubectl"]),
    ("What happened", ["history", "sts/web", "-n", "shop"]),
    (
        "Why it stood still at 12:59:06, and what healed it",
        ["status", "sts/web", "-n", "shop", "--as-of", "2026-11-23T12:59:06Z"],
    ),
    (
        "Who undid it, and what proves that",
        ["show", "sts/web", "-n", "shop", "--revision", "7"],
    ),
    ("How long each pod then took", ["rollouts", "shop/web/7"]),
    ("What the last change did", ["diff", "sts/web", "-n", "shop"]),
    ("Where it stands", ["show", "sts/web", "-n", "shop"]),
    (
        "Volumes that outlived their StatefulSet",
        ["volumes", "sts/kafka", "-n", "data"],
    ),
    ("What was left behind", ["volumes", "-A", "--orphans"]),
    ("The fleet's last changes", ["changes", "-A", "--limit", "8"]),
)


def fresh_folder(folder: Path) -> Path:
    """An empty folder of the demo's own. Raises ConfigurationInvalid for one that is somebody's."""
    if folder.exists():
        if not (folder / MARK_FILE).exists():
            raise ConfigurationInvalid(
                f"{folder} was not made by the demo",
                hint="it was left as it is; choose another place with --data",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK_FILE).write_text(MARK, encoding="utf-8")
    return folder


async def replayed(place: Settings) -> tuple[int, int]:
    """Replay the bundled recording into a log and fold it; lines read, records folded."""
    from consumers.consume import consume
    from ledger.replay import replay

    key_id, key = KeyRing.open_or_create(place.keys, now=utc_now()).redaction_key()
    instance = secrets.token_hex(4)
    place.log_file.parent.mkdir(parents=True, exist_ok=True)
    log = SqliteLog.open(str(place.log_file))
    try:
        done = await replay(
            recording(),
            log,
            lambda cluster: Observer(cluster, instance, Redactor("secrets", key_id, key)),
        )
    finally:
        await log.close()
    consumed = await consume(place, once=True, accept_loss=False, stop=asyncio.Event())
    return done.lines, consumed.folded


def recording() -> Path:
    """The bundled recording: inside the package in a wheel, beside the tests in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "streams" / "demo.jsonl.zst"
    return inside if inside.exists() else package.parent / "tests" / "streams" / "demo.jsonl.zst"
