"""An installation's own rules of redaction: what they change, and what is refused."""

# ruff: noqa: E501 - files and what is told of them read best side by side

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.cli import run
from ledger.cli.record import watch
from ledger.errors import ConfigurationInvalid
from ledger.own_rules import LONGEST_TEXT, OwnRules, read
from ledger.redaction import Redactor

KEY = b"k" * 32
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
TICKET = r"""
[[rules]]
name = "badge"
pattern = 'badge-(?P<secret>[0-9]{6})'
examples = ["my badge-«123456» is"]
keeps = ["badge-12", "a badge"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "redaction.toml"
    path.write_text(text, encoding="utf-8")
    return path


def redacted(rules: OwnRules, document: dict[str, Any]) -> dict[str, Any]:
    return Redactor("secrets", "k1", KEY, rules).redact(document).document


def tag(value: str) -> str:
    return Redactor("secrets", "k1", KEY).tag(value)


def test_the_built_in_rules_alone_have_no_digest_and_a_file_has_its_own(tmp_path: Path) -> None:
    assert Redactor("secrets", "k1", KEY).rules == ""
    path = written(tmp_path, TICKET)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    assert Redactor("secrets", "k1", KEY, read(path)).rules == digest


def test_an_allowed_annotations_name_no_longer_hides_its_value_but_a_form_does(
    tmp_path: Path,
) -> None:
    rules = read(written(tmp_path, 'allow_annotations = ["team.example.com/*"]'))
    told = {"team.example.com/token-owner-secret": "shop", "team.example.com/password": "blue"}
    other = {"team.example.com/a": JWT, "example.com/password": "red"}
    hidden = {"team.example.com/a": tag(JWT), "example.com/password": tag("red")}
    document = {"metadata": {"annotations": told | other}}
    assert redacted(rules, document) == {"metadata": {"annotations": told | hidden}}
    env = {"env": [{"name": "team.example.com/password", "value": "blue"}]}
    assert redacted(rules, env)["env"][0]["value"] == tag("blue")


def test_a_repeated_manifest_stays_hidden_whatever_is_allowed(tmp_path: Path) -> None:
    rules = read(written(tmp_path, 'allow_annotations = ["*"]'))
    name = "kubectl.kubernetes.io/last-applied-configuration"
    document = {"metadata": {"annotations": {name: "{}"}}}
    assert redacted(rules, document) == {"metadata": {"annotations": {name: tag("{}")}}}


def test_further_words_announce_a_secret_everywhere(tmp_path: Path) -> None:
    rules = read(written(tmp_path, 'secret_names = ["badge", "Geheimnis"]'))
    document = {
        "env": [{"name": "DOOR_BADGE", "value": "blue"}, {"name": "BADGER", "value": "grey"}],
        "args": ["--badge", "blue", "--geheimnis=red"],
        "command": ["sh", "-c", "DOOR_BADGE=blue exec app"],
        "note": '{"geheimnis":"red"}',
    }
    assert redacted(rules, document) == {
        "env": [{"name": "DOOR_BADGE", "value": tag("blue")}, {"name": "BADGER", "value": "grey"}],
        "args": ["--badge", tag("blue"), f"--geheimnis={tag('red')}"],
        "command": ["sh", "-c", f"DOOR_BADGE={tag('blue')} exec app"],
        "note": f'{{"geheimnis":"{tag("red")}"}}',
    }


def test_an_own_rule_hides_in_short_texts_and_anywhere_in_long_ones(tmp_path: Path) -> None:
    rules = read(written(tmp_path, TICKET))
    assert redacted(rules, {"message": "badge-123456"}) == {"message": f"badge-{tag('123456')}"}
    for before in (0, LONGEST_TEXT - 3, 3 * LONGEST_TEXT // 2 - 3, 4 * LONGEST_TEXT):
        text = "x " * (before // 2) + "badge-123456" + " y" * 100
        assert "badge-123456" not in str(redacted(rules, {"message": text}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("allow_annotations = ", "cannot be read: Invalid value (at end of document)"),
        ("alow = []", "'alow' is not known"),
        ('secret_names = "pin"', "secret_names of the file is not a list of texts"),
        ('secret_names = ["api_pin"]', "'api_pin' in secret_names is not one word"),
        ("rules = [1]", "rules are not tables"),
        ('[[rules]]\nname = "a"', "a rule lacks its name or pattern"),
        (TICKET + "kepes = []", "rule 'badge': 'kepes' is not known"),
        (TICKET.replace("keeps", "#"), "rule 'badge' lacks examples or keeps"),
        (TICKET.replace("{6}", "{6"), "rule 'badge' does not hide its example 'my badge-«123456» is'"),
        (TICKET.replace("(?P<", "(?<"), "rule 'badge': unknown extension ?<s at position 7"),
        (TICKET.replace("?P<secret>", ""), "rule 'badge' has not exactly the group (?P<secret>…)"),
        (TICKET.replace("«", ""), "rule 'badge' does not hide its example 'my badge-123456» is'"),
        (TICKET.replace("badge-12\"", "badge-123456\""), "rule 'badge' hides what it should keep, 'badge-123456'"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line_with_a_hint(
    text: str, told: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationInvalid) as refused:
        read(path)
    assert refused.value.message == f"redaction rules {path}: {told}"
    assert refused.value.hint
    assert "\n" not in refused.value.message + refused.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match="cannot be read: No such file or directory"):
        read(tmp_path / "redaction.toml")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?P<secret>(a+)+)b",
        "(?P<secret>(?:a|a)*)b",
        "(?P<secret>(?:[ab]*c?)*)d",
        "(?P<secret>(?:x{1,9}){2,})y",
    ],
)
def test_a_pattern_with_nested_repetition_is_refused_untried(pattern: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"[[rules]]\nname = 'slow'\npattern = '{pattern}'\nexamples = ['«aab»']\nkeeps = ['c']",
    )
    with pytest.raises(ConfigurationInvalid, match="repeats a group that repeats or chooses"):
        read(path)


def test_a_pattern_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    text = "[[rules]]\nname = 'slow'\npattern = '(?P<secret>a*a*a*a*)b'\n"
    path = written(tmp_path, text + "examples = ['«aa»b']\nkeeps = ['c']")
    with pytest.raises(ConfigurationInvalid, match="takes too long on long texts"):
        read(path, trial_seconds=0.9)


def test_watch_reads_the_file_of_the_data_folder_and_refuses_a_wrong_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "alow = []")
    assert run(["watch", "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"error: redaction rules {path}: 'alow' is not known" in told
    assert "hint: known are allow_annotations, secret_names, rules" in told
    assert run(["serve", "--data", str(tmp_path / "x"), f"--redaction-rules={path}"]) == 1


def test_watch_says_how_to_give_rules() -> None:
    assert "--redaction-rules FILE" in CliRunner().invoke(watch, ["--help"]).output
