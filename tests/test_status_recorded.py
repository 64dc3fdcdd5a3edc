"""`status -o kubectl` says what `kubectl rollout status --watch=false` said, after every step."""

from __future__ import annotations

import pytest

from ledger.cli import run
from tests.stories import Story, Told, statuses


@pytest.fixture(params=["rollouts", "volumes"])
def story(request: pytest.FixtureRequest) -> Story:
    """A recorded story."""
    told = request.getfixturevalue(request.param)
    assert isinstance(told, Story)
    return told


def test_status_reads_as_kubectl_read_it_after_every_step(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = list(statuses(story))
    assert len(asked) >= 20
    assert [one for told in asked if (one := _difference(story, told, capsys))] == []


def _difference(story: Story, told: Told, capsys: pytest.CaptureFixture[str]) -> str | None:
    ledger = str(story.ledger(told.step))
    arguments = ["status", f"sts/{told.name}", "-n", told.namespace, "--ledger", ledger]
    code = run([*arguments, "-o", "kubectl", "--watch=false"])
    said = capsys.readouterr()
    ours = (code, said.out, said.err.splitlines()[:1] if code else [])
    theirs = (told.exit, told.stdout, told.stderr.splitlines()[:1])
    return None if ours == theirs else f"{told.step}: {told.name}: {ours} is not {theirs}"
