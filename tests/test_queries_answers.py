"""What the questions of queries/*.sql answer, about recorded clusters and hand-made corners."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorded import folded, values_of
from tests.web_ledger import ask, at, written


@pytest.fixture(scope="module")
def shop(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's ledger: postgres, kafka and web."""
    return folded(values_of(demo), tmp_path_factory.mktemp("answers") / "shop.db")


@pytest.fixture(scope="module")
def lab(tutorial: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tutorial's ledger: every behaviour of one StatefulSet, and a database."""
    return folded(values_of(tutorial), tmp_path_factory.mktemp("answers") / "lab.db")


def test_an_image_is_traced_to_what_brought_it_and_what_took_it_away(shop: Path) -> None:
    columns = "workload number trigger image_before image_after"
    assert ask(shop, "image_history", columns, image="shop/web:2.4.2") == [
        ("web", 12, "change", "web=shop/web:2.4.2", None),
        ("web", 11, "undo", None, "web=shop/web:2.4.2"),
        ("web", 10, "change", "web=shop/web:2.4.2", None),
        ("web", 7, "undo", None, "web=shop/web:2.4.2"),
        ("web", 6, "change", "web=shop/web:2.4.2", None),
        ("web", 4, "change", None, "web=shop/web:2.4.2"),
    ]


def test_a_sidecar_beside_an_image_is_no_change_of_it(shop: Path) -> None:
    numbers = [number for (number,) in ask(shop, "image_history", "number", image="shop/web")]
    assert 8 not in numbers
    assert ask(shop, "image_history", "number image_after", image="linkerd") == [
        (8, "linkerd-proxy=linkerd/proxy:2.19.1")
    ]


def test_a_container_that_is_called_like_the_image_does_not_match(shop: Path) -> None:
    assert ask(shop, "image_history", "number", image="broker") == []


def test_a_number_used_twice_is_compared_with_the_one_that_was_there(lab: Path) -> None:
    columns = "number image_before image_after"
    assert ask(lab, "image_history", columns, image="postgres") == [
        (2, "postgres=postgres:16.1", "postgres=postgres:16.2"),
        (1, None, "postgres=postgres:16.1"),
    ]


def test_two_instants_are_compared_by_what_was_wanted_at_each(shop: Path) -> None:
    columns = "namespace workload number_before number_after what same_template"
    found = ask(
        shop, "between", columns, since="2026-11-23T12:58:00Z", until="2026-11-23T13:01:30Z"
    )
    assert found == [
        ("shop", "web", 5, 9, "change undo change restart", 0),
        ("data", "kafka", None, 1, "create", 0),
        ("data", "kafka", 2, None, "deleted", 0),
    ]


def test_what_was_changed_and_changed_back_shows_so(shop: Path) -> None:
    found = ask(
        shop,
        "between",
        "number_before number_after what same_template",
        since="2026-11-23T12:58:00Z",
        until="2026-11-23T12:59:30Z",
    )
    assert found == [(5, 7, "change undo", 1)]


def test_times_may_be_given_in_any_zone(shop: Path) -> None:
    here = {"since": "2026-11-23T12:58:00Z", "until": "2026-11-23T13:01:30Z"}
    there = {"since": "2026-11-23T14:58:00+02:00", "until": "2026-11-23 13:01:30"}
    assert ask(shop, "between", "number_after", **here) == ask(
        shop, "between", "number_after", **there
    )


def test_rollouts_that_did_not_complete_name_what_came_after_them(lab: Path) -> None:
    columns = "workload number status next_number next_trigger"
    assert ask(lab, "unfinished", columns, status="undone", until="2026-11-23T13:01:50Z") == [
        ("web", 12, "undone", 13, "undo"),
        ("web", 10, "undone", 11, "undo"),
    ]
    assert ask(lab, "unfinished", columns, name="db") == [
        ("db", 1, "deleted", None, None),
        ("db", 1, "superseded", 1, "platform"),
    ]


def test_a_rollout_held_behind_a_partition_is_unfinished(shop: Path) -> None:
    found = ask(shop, "unfinished", "number status next_number", status="staged")
    assert found == [(12, "staged", None)]


def test_undos_are_counted_against_changes(lab: Path) -> None:
    columns = "workload changes undos undo_percent returns incomplete"
    assert ask(lab, "undo_rate", columns) == [
        ("web", 22, 5, 22.7, 3, 5),
        ("db", 1, 0, 0.0, 0, 0),
    ]


def test_an_image_is_found_where_it_was_wanted_at_an_instant(shop: Path) -> None:
    columns = "workload number from_at to_at"
    assert ask(shop, "ran_image", columns, image="kafka", at="2026-11-23T12:59:00Z") == [
        ("kafka", 2, "2026-11-23T12:54:25.327914Z", "2026-11-23T12:59:57.082331Z")
    ]
    assert ask(shop, "ran_image", columns, image="kafka", at="2026-11-23T13:00:30Z") == []
    assert ask(shop, "ran_image", "number to_at", image="kafka") == [(1, None)]


def test_an_image_is_found_on_a_whole_day(shop: Path) -> None:
    numbers = ask(shop, "ran_image", "number", image="shop/web", at="2026-11-23")
    assert numbers == [(n,) for n in range(1, 13)]
    assert ask(shop, "ran_image", "number", image="shop/web", at="2026-11-22") == []
    assert ask(shop, "ran_image", "number", image="shop/web", at="2026-11-24") == [(12,)]


def test_restarts_tell_the_time_in_the_template(lab: Path) -> None:
    assert ask(lab, "restarts", "workload number restarted_at") == [
        ("web", 15, "2026-11-23T13:01:48Z"),
        ("web", 14, "2026-11-23T13:01:47Z"),
    ]


def test_what_the_cluster_lost_is_told_with_its_reason(shop: Path) -> None:
    columns = "workload number pruned_why restorable"
    assert ask(shop, "pruned", columns, why="renumbered") == [
        ("web", 9, "renumbered to 11", 1),
        ("web", 5, "renumbered to 7", 1),
    ]
    assert len(ask(shop, "pruned", columns)) == 9


def test_a_stale_cause_names_the_revision_it_was_written_for(shop: Path) -> None:
    columns = "number change_cause written_for"
    assert ask(shop, "stale_causes", columns, name="web", live="1") == [
        (11, "INC-2038: 2.5.0 was never pushed, back to 2.4.2", 7),
        (8, "INC-2038: 2.5.0 was never pushed, back to 2.4.2", 7),
    ]


def test_templates_that_outlive_their_workload_are_shared(shop: Path) -> None:
    columns = "images incarnations workloads revisions"
    assert ask(shop, "shared_templates", columns) == [
        ("broker=apache/kafka:4.1.1", 2, "data/kafka, data/kafka~0ec3", 2)
    ]


def test_a_word_is_found_wherever_it_stands(shop: Path) -> None:
    columns = "workload number found_in"
    assert ask(shop, "find_text", columns, text="BASKET", limit="2") == [
        ("web", 12, "summary"),
        ("web", 11, "summary"),
    ]
    assert ask(shop, "find_text", columns, text="sec-88") == [
        ("postgres", 3, "change_cause"),
        ("postgres", 2, "change_cause"),
    ]
    assert ask(shop, "find_text", columns, text="Kafka:4.0") == [
        ("kafka", 2, "summary"),
        ("kafka", 1, "summary images"),
    ]
    assert ask(shop, "find_text", columns, text="") == []


def test_coverage_says_how_long_each_stream_was_watched(shop: Path) -> None:
    columns = "kind instance seconds ended_how"
    assert ask(shop, "recording_coverage", columns, kind="pods") == [
        ("pods", "feed0001", 786.0, "stopped")
    ]
    assert ask(shop, "recording_coverage", columns, since="2026-11-24") == []


def test_records_are_counted_by_kind(shop: Path) -> None:
    columns = "kind records objects deletions duplicates"
    found = ask(shop, "traffic", columns)
    assert found[0] == ("pods", 293, 44, 36, 0)
    assert sum(row[1] for row in found) == 752 + 193, "193 of them from the audit log"
    assert sum(row[1] for row in ask(shop, "traffic", columns, last="100")) == 100


FOUND = {"trigger": "found", "observed_at": at(30)}


def test_revisions_found_at_the_first_watch_count_from_their_creation(tmp_path: Path) -> None:
    ledger = written(
        tmp_path / "ledger.db",
        [
            FOUND | {"created_at": at(1), "position": 7},
            FOUND | {"created_at": at(10), "position": 5},
            {"observed_at": at(40), "created_at": at(40), "position": 9},
        ],
    )
    columns = "number from_at to_at"
    assert ask(ledger, "ran_image", columns, image="web:1", at=at(5)) == [(1, at(1), at(10))]
    assert ask(ledger, "ran_image", columns, image="web:2", at=at(20)) == [(2, at(10), at(40))]
    assert ask(ledger, "ran_image", columns, image="web:2", at=at(50)) == []
    spans = "number_before number_after what first_at"
    assert ask(ledger, "between", spans, since=at(5), until=at(45)) == [(1, 3, "change", at(40))]
    assert ask(ledger, "between", spans, since=at(5), until=at(35)) == []


def test_numbers_nobody_saw_are_no_answers(tmp_path: Path) -> None:
    unseen = {"trigger": "unseen", "template_id": None, "position": None, "revision_uid": ""}
    ledger = written(tmp_path / "ledger.db", [{"trigger": "create"}, unseen, {}])
    assert ask(ledger, "between", "number_after what") == [(3, "create change")]
    assert ask(ledger, "ran_image", "number", at="2026-11-01") == [(1,), (3,)]
    assert ask(ledger, "image_history", "number image_before image_after") == [
        (3, None, "web=shop/web:3"),
        (1, None, "web=shop/web:1"),
    ]


def test_a_deleted_workload_runs_nothing_afterwards(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger.db", [{"trigger": "create"}], deleted_minute=20)
    assert ask(ledger, "ran_image", "number to_at", at=at(15)) == [(1, at(20))]
    assert ask(ledger, "ran_image", "number", at=at(25)) == []
    assert ask(ledger, "between", "number_before number_after what", since=at(10)) == [
        (1, None, "deleted")
    ]
    assert ask(ledger, "between", "number_before", since=at(21)) == []


@pytest.mark.parametrize("image", ["web:1%", 'we"b', "", "%", "é"])
def test_an_image_is_text_and_no_pattern(tmp_path: Path, image: str) -> None:
    ledger = written(tmp_path / "ledger.db", [{"trigger": "create"}])
    expected = [(1,)] if image == "" else []
    assert ask(ledger, "image_history", "number", image=image) == expected
    assert ask(ledger, "ran_image", "number", image=image) == expected
