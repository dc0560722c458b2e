"""Tasks that take longer than their function."""

from __future__ import annotations

import asyncio
import time

from shop import journal

from twolane import TaskContext, Tasks

tasks = Tasks()


@tasks.task(if_lost="alert", name="walks", timeout_s=120)
def walks(ctx: TaskContext, steps: int, step_s: float) -> int:
    for step in range(ctx.cursor or 0, steps):
        journal("step", step, ctx.attempt)
        time.sleep(step_s)
        ctx.checkpoint(step + 1, done=step + 1, total=steps)
    return steps


@tasks.task(if_lost="alert", name="walks_in_turn", timeout_s=120, group_by="{group}")
def walks_in_turn(ctx: TaskContext, group: str, steps: int, step_s: float) -> None:
    for step in range(ctx.cursor or 0, steps):
        journal("step", step, group)
        time.sleep(step_s)
        ctx.checkpoint(step + 1)


@tasks.task(if_lost="alert", name="walks_async", timeout_s=120)
async def walks_async(ctx: TaskContext, steps: int, step_s: float) -> int:
    for step in range(ctx.cursor or 0, steps):
        journal("step", step, ctx.attempt)
        await asyncio.sleep(step_s)
        ctx.checkpoint(step + 1, done=step + 1, total=steps)
    return steps


@tasks.task(if_lost="alert", name="stands", timeout_s=120, max_attempts=2)
async def stands() -> None:
    journal("stands")
    await asyncio.Event().wait()
