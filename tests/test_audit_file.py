"""The audit log's file is read to the last line, whatever rotation does to it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ledger.audit.file import LINE_BYTES, PRINT_BYTES, AuditFile, Place
from ledger.audit.rotation import siblings
from tests.rotating import Rotating, line, writing

PATIENCE_SECONDS = 60


def everything(file: AuditFile) -> list[bytes]:
    """What comes until nothing more does."""
    found: list[bytes] = []
    while lines := file.read():
        found += [raw for raw, _ in lines]
    return found


def rest(log: Rotating) -> None:
    """Nobody has written to the rotated files for a while."""
    for path in log.path.parent.glob("audit-*.log"):
        os.utime(path, (time.time() - 60, time.time() - 60))


def lines(*numbers: int) -> list[bytes]:
    return [line(number) for number in numbers]


def missing(found: list[bytes], count: int) -> list[int]:
    """The numbers below a count whose lines did not come."""
    have = set(found)
    return [number for number in range(count) if line(number) not in have]


@pytest.fixture
def log(tmp_path: Path) -> Rotating:
    return Rotating(tmp_path / "audit.log")


@pytest.mark.parametrize("how", ["rename", "copy", "hole", "both"])
def test_nothing_is_lost_while_a_writer_rotates_at_full_speed(tmp_path: Path, how: str) -> None:
    path, found = tmp_path / "audit.log", list[bytes]()
    file = AuditFile(path)
    with writing(path, how, lines=12_000, every=400):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while line(12_000) not in found[-1:]:
            found += [raw for raw, _ in file.read()]
            assert time.monotonic() < deadline, (len(found), file)
    if how == "rename":
        # In order and each once: nothing had to be looked for.
        assert found == lines(*range(12_001))
        assert file.lost == 0
    assert missing(found, 12_001) == []
    assert file.too_long == 0


@pytest.mark.parametrize("how", ["rename", "copy", "hole", "both"])
def test_a_reader_that_restarts_at_every_turn_loses_nothing_either(
    tmp_path: Path, how: str
) -> None:
    path, found, place = tmp_path / "audit.log", list[bytes](), None
    with writing(path, how, lines=4_000, every=100):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while line(4_000) not in found[-1:]:
            file = AuditFile(path, place)
            read = file.read()
            found += [raw for raw, _ in read]
            place = read[-1][1] if read else place
            file.close()
            assert time.monotonic() < deadline, len(found)
    assert missing(found, 4_001) == []


def test_a_place_is_behind_each_line(log: Rotating) -> None:
    log.write(3)
    read = AuditFile(log.path).read()
    assert [raw for raw, _ in read] == lines(0, 1, 2)
    for number, (_, place) in enumerate(read):
        assert place.offset == (number + 1) * len(line(0))
        assert everything(AuditFile(log.path, place)) == lines(*range(number + 1, 3))


def test_a_file_that_does_not_exist_yet_is_read_once_it_does(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.log")
    assert (file.read(), file.lost) == ([], 0)
    Rotating(tmp_path / "audit.log").write(2)
    assert everything(file) == lines(0, 1)


def test_without_a_place_the_oldest_file_that_is_there_comes_first(log: Rotating) -> None:
    for _ in range(3):
        log.write(2)
        log.rename()
    log.write(1)
    file = AuditFile(log.path)
    assert everything(file) == lines(*range(7))
    assert file.lost == 0


@pytest.mark.parametrize("how", ["rename", "copy"])
def test_several_rotations_while_down_are_caught_up_with(log: Rotating, how: str) -> None:
    log.write(3)
    [*_, (_, place)] = AuditFile(log.path).read()
    for _ in range(3):
        log.write(2)
        getattr(log, how)()
    log.write(1)
    file = AuditFile(log.path, place)
    assert everything(file) == lines(*range(3, 10))
    assert file.lost == 0


def test_a_writer_may_keep_the_old_file_open_for_a_while(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(2)
    log.path.rename(log.path.with_name("audit.log.1"))
    log.path.touch()
    assert everything(file) == lines(0, 1)
    log.write(2)
    assert everything(file) == lines(2, 3)
    # It goes over at last.
    log.close()
    log.path.write_bytes(line(4))
    assert everything(file) == lines(4)


def test_a_file_that_is_moved_away_before_there_is_another_is_read_on(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(1)
    assert everything(file) == lines(0)
    log.path.rename(log.path.with_name("somewhere-else"))
    log.write(1)
    assert everything(file) == lines(1)


def test_a_partial_last_line_waits_for_its_end(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(1)
    with log.path.open("ab") as more:
        more.write(line(1)[:50])
        more.flush()
        assert everything(file) == lines(0)
        more.write(line(1)[50:])
    assert everything(file) == lines(1)


def test_a_last_line_without_an_end_comes_once_nobody_writes_there_any_more(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.path.write_bytes(line(0) + line(1)[:50])
    log.rename()
    assert everything(file) == lines(0)
    log.write(1)
    assert everything(file) == []
    rest(log)
    assert everything(file) == [line(1)[:50], line(0)]


def test_a_copy_that_is_being_made_is_not_taken_for_an_end(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(1)
    assert everything(file) == lines(0)
    log.rename()
    log.write(3)
    whole = log.path.read_bytes()
    copy = log.path.with_name("audit-2026-11-26T10-000009.000.log")
    copy.write_bytes(whole[: len(line(1)) + 100])
    assert everything(file) == lines(1)
    copy.write_bytes(whole)
    log.path.write_bytes(b"")
    log.write(1)
    assert everything(file) == lines(2, 3, 4)


def test_a_line_that_is_too_long_is_passed_over_and_counted(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(1)
    with log.path.open("ab") as more:
        more.write(b"x" * (LINE_BYTES + 5))
        more.flush()
        assert everything(file) == lines(0)
        assert file.too_long == 0
        more.write(b"yyy\n" + line(1))
    assert everything(file) == lines(1)
    assert file.too_long == 1
    assert file.place is not None
    assert file.place.offset == log.path.stat().st_size


def test_a_line_that_is_too_long_and_has_no_end_does_not_hold_up_the_next_file(
    log: Rotating,
) -> None:
    file = AuditFile(log.path)
    log.path.write_bytes(line(0) + b"x" * (LINE_BYTES + 5))
    log.rename()
    log.write(1)
    rest(log)
    assert everything(file) == lines(0, 0)
    assert file.too_long == 1


def test_the_longest_line_is_read(log: Rotating) -> None:
    longest = b"x" * (LINE_BYTES - 1) + b"\n"
    log.path.write_bytes(line(0) + longest + line(1))
    file = AuditFile(log.path)
    assert everything(file) == [line(0), longest, line(1)]
    assert file.too_long == 0


def test_empty_lines_are_none(log: Rotating) -> None:
    log.path.write_bytes(b"\n" + line(0) + b"  \r\n" + line(1))
    assert everything(AuditFile(log.path)) == lines(0, 1)


def test_a_file_that_was_cut_and_has_grown_anew_is_not_taken_for_the_same(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(3)
    assert len(everything(file)) == 3
    os.truncate(log.path, 0)
    log.write(9)
    assert everything(file) == lines(*range(3, 12))
    # Nobody knows what was written between our last look and the cut.
    assert file.lost == 1


def test_a_copy_that_lacks_the_last_lines_was_read_further_than_it_goes(log: Rotating) -> None:
    file = AuditFile(log.path)
    log.write(3)
    copy = log.path.with_name("audit.log.1")
    assert everything(file) == lines(0, 1, 2)
    copy.write_bytes(log.path.read_bytes())
    log.write(2)
    assert everything(file) == lines(3, 4)
    os.truncate(log.path, 0)
    log.write(1)
    assert everything(file) == lines(5)
    assert file.lost == 0


def test_what_was_rotated_out_of_reach_is_told_and_the_rest_read(log: Rotating) -> None:
    log.write(3)
    [*_, (_, place)] = AuditFile(log.path).read()
    log.rename()
    next(iter(log.path.parent.glob("audit-*"))).unlink()
    log.write(2)
    file = AuditFile(log.path, place)
    assert everything(file) == lines(3, 4)
    assert file.lost == 1


def test_a_file_that_may_not_be_read_is_read_once_it_may(
    log: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(2)
    file, opened = AuditFile(log.path), os.open

    def refusing(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    # Whoever runs the tests may be root, whom no mode keeps out.
    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(PermissionError):
        file.read()
    assert not file.is_readable
    monkeypatch.setattr(os, "open", opened)
    assert everything(file) == lines(0, 1)
    assert (file.is_readable, file.lost) == (True, 0)


def test_a_rotated_file_that_may_not_be_read_does_not_hold_up_the_others(
    log: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write(1)
    [(_, place)] = AuditFile(log.path).read()
    for _ in range(2):
        log.write(1)
        log.rename()
    log.write(1)
    opened, second = os.open, sorted(log.path.parent.glob("audit-*"))[1]

    def refusing(path: Path, flags: int) -> int:
        if path == second:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags)

    monkeypatch.setattr(os, "open", refusing)
    file = AuditFile(log.path, place)
    assert [file.read() for _ in range(3)][-1][0][0] == line(3)
    assert file.lost == 1


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "audit.log"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        AuditFile(path).read()


def test_only_rotated_files_of_that_name_belong_to_it(tmp_path: Path) -> None:
    rotated = (
        "audit.log.1",
        "audit.log-20261124",
        "audit.log.2026-11-24T10:00:00Z",
        "audit.log.old",
        "audit-2026-11-24T10-00-00.000.log",
    )
    others = (
        "audit-policy.yaml",
        "audit-webhook.yaml",
        "audit2.log",
        "audit.log.2.gz",
        "audit.log.swp",
        "audit-2026-11-24T10-00-00.000.log.gz",
        "auditor.log",
    )
    for name in ("audit.log", *rotated, *others):
        (tmp_path / name).write_text("x")
    (tmp_path / "audit.log.7").mkdir()
    *rest, last = siblings(tmp_path / "audit.log")
    assert (last.path.name, last.is_current) == ("audit.log", True)
    assert {each.path.name for each in rest} == set(rotated)
    assert not any(each.is_current for each in rest)
    assert siblings(tmp_path / "none" / "audit.log") == []


def test_names_with_signs_are_meant_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "audit[1].log"
    for name in ("audit[1].log", "audit[1].log.1", "audit1.log.1"):
        (tmp_path / name).write_text("x")
    assert [each.path.name for each in siblings(path)] == ["audit[1].log.1", "audit[1].log"]


def test_a_place_of_a_short_file_needs_all_of_it_to_be_the_same(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b'{"auditID":"a"}\n')
    [(_, place)] = AuditFile(path).read()
    assert place.offset < PRINT_BYTES
    path.write_bytes(b'{"auditID":"b"}\n{"auditID":"c"}\n')
    file = AuditFile(path, place)
    assert everything(file) == [b'{"auditID":"b"}\n', b'{"auditID":"c"}\n']
    assert file.lost == 1
    assert AuditFile(path, Place()).read()[0][0] == b'{"auditID":"b"}\n'


@pytest.mark.parametrize(
    "names",
    [
        ("audit.log.10", "audit.log.9", "audit.log.1"),
        ("audit.log-20261031", "audit.log-20261101", "audit.log-20261124"),
        ("audit-2026-11-24T09-59-59.999.log", "audit-2026-11-24T10-00-00.000.log"),
        ("audit.log.1", "audit.log.old", "audit.log-20261124"),
    ],
)
def test_rotated_files_are_in_the_order_in_which_they_were_written(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for number, name in enumerate((*names, "audit.log")):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (number, number))
    found = [each.path.name for each in siblings(tmp_path / "audit.log")]
    assert found == [*names, "audit.log"]
