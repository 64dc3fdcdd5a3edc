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
               trigger, undo_of, previous, summary, generation, change_cause,
               change_cause_state, ticket, reason, created_at, restorable, restorable_why, live,
               pruned_why
        from revisions left join templates on templates.id = template_id
        order by workload_uid, number, revision_uid""",
    "rollouts": """
        select workload_uid, revision_uid, number, label, name, from_number, from_name, phase,
               started_at is not null, stalled_at is not null, finished_at is not null, undone_by,
               iif(cut_short, null, wanted), iif(cut_short, null, targeted),
               iif(cut_short, null, updated), blocking_pod, blocking_reason, trap
        from (select *, phase in ('superseded', 'undone', 'deleted') as cut_short from rollouts)
        order by workload_uid, number, revision_uid""",
    "spec_changes": """
        select workload_uid, generation, field, old, new, summary, after_generation
        from spec_changes order by workload_uid, generation, field""",
    "pod_runs": """
        select uid, workload_uid, namespace, name, ordinal, made_revision, revision, node, phase,
               ready, reason, last_reason, restarts, created_at, scheduled_at, started_at, ready_at,
               ready_changed_at, terminating_at, deleted_at is not null
        from pod_runs order by uid""",
    "pod_images": """
        select pod_uid, container, image, image_id
        from pod_images order by pod_uid, container, image, image_id""",
    "pod_owners": """
        select pod_owners.owner_uid, uid
        from pod_owners join objects on objects.id = object_id
        order by pod_owners.owner_uid, uid""",
    "refusals": """
        select uid, workload_uid, pod, reason, message, times, first_at, last_at
        from refusals join objects on objects.id = object_id order by uid""",
    "claims": """
        select uid, namespace, name, template, workload, ordinal, workload_uid, ambiguous, phase,
               volume, first_asked, asked, asked_bytes, capacity, class, access_modes, owner,
               owners, finalizers, revision, predecessor, created_at, terminating_at,
               deleted_at is not null, deleted_why, decided_when_deleted, decided_when_scaled
        from claims order by uid""",
    "volumes": """
        select uid, name, phase, claim_namespace, claim_name, claim_uid, capacity, class,
               access_modes, reclaim_policy, source, handle, created_at, terminating_at,
               deleted_at is not null
        from volumes order by uid""",
    "bindings": """
        select claim_uid, volume, volume_uid, released_at is not null, why, set_by
        from bindings order by claim_uid, volume, volume_uid""",
    "mounts": """
        select pod_uid, claim_uid, volume, namespace, claim, pod, workload_uid, ordinal, revision,
               from_at, to_at is not null
        from mounts order by pod_uid, claim_uid, volume""",
    "claim_templates": """
        select workload_uid, template, namespace, workload, created_at, asked, class, access_modes
        from claim_templates order by workload_uid, template""",
    "actions": """
        select audit_id, stage, verb, kind, subresource, namespace, name, uid, resource_version,
               generation, code, user, impersonated, manager, dry_run, replicas, touched, removed
        from actions order by audit_id, stage, received_at, user""",
    "attributions": """
        select objects.uid, what, attributions.generation, source, actor,
               attributions.impersonated, basis, best, audit_id
        from attributions
        join objects on objects.id = object_id
        left join actions on actions.position = attributions.position and source = 'audit'
        order by objects.uid, what, attributions.generation, source, actor""",
    "sealed": """
        select distinct template_digest, key_id, recipients
        from sealed order by template_digest, key_id""",
    "statements": """
        select objects.uid, statements.generation, role, source, said
        from statements join objects on objects.id = object_id
        order by objects.uid, statements.generation, role, source""",
    "notes": """
        select note_id, workload_uid, number, revision_uid, ticket, approver, message, said_by,
               said_at
        from notes order by note_id""",
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
    # How far a rollout was when it was cut short is what each watcher had seen by then.
    "rollout_times": """
        select workload_uid, revision_uid, number, started_at, stalled_at, finished_at, ended_at,
               blocking_since, due_at, wanted, targeted, updated
        from rollouts order by workload_uid, number, revision_uid""",
    "pod_times": """
        select uid, observed_at, deleted_at, deleted_after from pod_runs order by uid""",
    "claim_times": """
        select uid, observed_at, decided_at, deleted_at, deleted_after from claims order by uid""",
    "volume_times": """
        select uid, observed_at, deleted_at, deleted_after from volumes order by uid""",
    "binding_times": """
        select claim_uid, volume, volume_uid, bound_at, released_at
        from bindings order by claim_uid, volume, volume_uid""",
    "mount_times": """
        select pod_uid, claim_uid, volume, to_at, to_after
        from mounts order by pod_uid, claim_uid, volume""",
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
