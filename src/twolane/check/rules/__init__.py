"""The rules, one a file, in a plain list: those about the verdict in the order in which they may claim a call."""

from __future__ import annotations

from twolane.check.rule import Rule
from twolane.check.rules import (
    before_raise,
    best_effort,
    blocking,
    by_hand,
    cache,
    cleanup,
    compute,
    courtesy_mail,
    database_write,
    dropped_task,
    http_error,
    inbound_webhook,
    job_name,
    late_commit,
    logbook,
    logs_only,
    money,
    never_attached,
    only_effect,
    outgoing_request,
    outlasts,
    own_answer,
    promise,
    push,
    queue_twin,
    release,
    request_scoped,
    running_before,
    sends_on,
    status_machine,
    stored_result,
    subprocess_run,
    swallows,
    telemetry,
    trial,
    two_backgrounds,
    unread,
    upload,
    waited_mail,
    waiting,
)

EVIDENCE: tuple[Rule, ...] = (
    logs_only.RULE,
    status_machine.RULE,
    cleanup.RULE,
    waiting.RULE,
    cache.RULE,
    push.RULE,
    telemetry.RULE,
    logbook.RULE,
    money.RULE,
    sends_on.RULE,
    outgoing_request.RULE,
    stored_result.RULE,
    subprocess_run.RULE,
    compute.RULE,
    release.RULE,
    database_write.RULE,
    waited_mail.RULE,
    courtesy_mail.RULE,
    upload.RULE,
    promise.RULE,
    inbound_webhook.RULE,
    only_effect.RULE,
    job_name.RULE,
    queue_twin.RULE,
    best_effort.RULE,
    trial.RULE,
)
"""Rules whose evidence makes a verdict."""

FINDINGS: tuple[Rule, ...] = (
    swallows.RULE,
    request_scoped.RULE,
    dropped_task.RULE,
    http_error.RULE,
    never_attached.RULE,
    before_raise.RULE,
    two_backgrounds.RULE,
    by_hand.RULE,
    blocking.RULE,
    running_before.RULE,
    late_commit.RULE,
    outlasts.RULE,
)
"""Anti-patterns: findings of their own, whatever the verdict is."""

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *EVIDENCE,
            *FINDINGS,
            own_answer.IGNORED,
            own_answer.QUEUED,
            unread.UNPROVEN,
            unread.UNREAD,
            unread.UNEXPLAINED,
        ),
        key=lambda rule: rule.code,
    )
)
"""All rules, by their codes."""


def is_code(text: str) -> bool:
    """Whether a text is the code of a rule, or the beginning of one."""
    return bool(text) and any(rule.code.startswith(text) for rule in RULES)
