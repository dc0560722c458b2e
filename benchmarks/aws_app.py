"""The app whose worker runs on a local AWS: one task that does nothing and tells how many it has done."""

from twolane import Tasks

tasks = Tasks(worker="off")
done = 0


@tasks.task(if_lost="alert", name="noop")
async def noop(number: int) -> None:
    global done  # noqa: PLW0603  (one process, one count)
    del number
    done += 1
    if done % 50 == 0:
        print(done, flush=True)
