"""The worker process: loads the app, enters its lifespan once, works until it is told to stop.

Run by its parent as `python -m twolane.cli.worker_child ORDERS SOCKET`.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from twolane.cli import exits
from twolane.cli.logs import log_to_stderr
from twolane.cli.orders import Orders
from twolane.cli.stopping import Stopping
from twolane.cli.tracebacks import print_from_the_app_on
from twolane.values.errors import QueueError, SettingsError
from twolane.wiring.target import load, opened

if TYPE_CHECKING:
    from twolane.wiring.installed import Installed


async def work(app: Any, tasks: Installed, parent: socket.socket) -> int:
    """Run the worker of an app until it is told to stop; answers the exit code."""
    stopping = Stopping(tasks.runtime, parent)
    tasks.runtime.on_stuck = stopping.replace
    async with opened(app, tasks):
        stopping.ready()
        await stopping.asked()
    if stopping.exit_code == exits.NOT_DRAINED:
        stopping.exit_code = exits.OK
    return stopping.exit_code


def prepared(orders: Orders) -> tuple[Any, Installed]:
    """Load the app and tell its runtime what to work on.

    Raises:
        SettingsError: a target or a queue that cannot be.
    """
    app, tasks = load(orders.target, folder=orders.app_dir)
    served = {task.queue for task in tasks.registry.queue_tasks()}
    if not served:
        raise SettingsError(
            f'{orders.target} has no task with if_lost="alert", so there is nothing a worker could run'
        )
    if unknown := sorted(set(orders.queues) - served - {"default"}):
        raise SettingsError(
            f"no task of {orders.target} goes to queue {', '.join(unknown)}; they go to {', '.join(sorted(served))}"
        )
    tasks.runtime.work_as("process", queues=orders.queues, slots=orders.slots, grace_s=orders.grace_s)
    return app, tasks


def run(orders: Orders, parent: socket.socket) -> int:
    """Load and work; answers the exit code, having said what went wrong."""
    try:
        app, tasks = prepared(orders)
        log_to_stderr(as_json=orders.as_json)
        return asyncio.run(work(app, tasks, parent))
    except (SettingsError, QueueError) as error:
        if orders.as_json:
            log_to_stderr(as_json=True)
            logging.getLogger("twolane.worker").error("%s", error)  # noqa: TRY400  (a sentence for people)
        else:
            print(f"twolane worker: {error}", file=sys.stderr)
        return exits.of(error)
    except asyncio.CancelledError:  # told twice while the app was starting
        return exits.OK
    except BaseException as error:  # noqa: BLE001  (also what an app raises to end its import)
        print_from_the_app_on(error)
        return exits.APP


def main() -> None:
    """Run a worker process; its arguments are its orders and the number of its parent's socket."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)  # until it works there is nothing to drain
    parent = socket.socket(fileno=int(sys.argv[2]))
    parent.set_inheritable(False)
    code = run(Orders.read(sys.argv[1]), parent)
    logging.shutdown()
    sys.exit(code)


if __name__ == "__main__":
    main()
