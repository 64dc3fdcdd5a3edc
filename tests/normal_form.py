"""A ledger's content without what depends on who watched and when: positions, ids, observation
times.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

QUESTIONS = {
    "workloads": """
        select uid, namespace, name, created_at, predecessor, generation, observed_generation,
               replicas, strategy, update_partition, history_limit, current_revision,
               update_revision, settled, labels, selector, team, deleted_at is not null
        from workloads order by uid""",
    "revisions": """
        select workload_uid, revision_uid, number, revisions.label, revisions.name, digest,
               trigger, undo_of, previous, summary, status, generation, change_cause,
               change_cause_state, ticket, reason, created_at, restorable, restorable_why, live,
               pruned_why
        from revisions left join templates on templates.id = template_id
        order by workload_uid, number, revision_uid""",
    "objects": """
        select kind, namespace, name, uid, created_at, owner_uid, resource_version,
               deleted_at is not null
        from objects order by uid""",
}

TIMES = {
    "revision_times": """
        select workload_uid, revision_uid, number, observed_at, bumped_after, pruned_at,
               pruned_after
        from revisions where trigger <> 'unseen' order by workload_uid, number, revision_uid""",
    "deletions": """
        select uid, deleted_version, deleted_at, deleted_after, deleted_how
        from objects where deleted_at is not null order by uid""",
}


def normal_form(path: Path, *, times: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """The ledger in normal form; with `times`, also what is equal only where the same records were
    folded.
    """
    questions = QUESTIONS | TIMES if times else QUESTIONS
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        return {name: connection.execute(sql).fetchall() for name, sql in questions.items()}
    finally:
        connection.close()
