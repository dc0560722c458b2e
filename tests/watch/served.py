"""The app that the tests of the watch serve with uvicorn: no worker, and a watch that looks often."""

import logging
import os
import sys

from fastapi import FastAPI

from twolane import Tasks
from twolane.engine.limits import Limits
from twolane.wiring.opening import make_runtime

logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
tasks = Tasks(worker="off")
limits = Limits(
    watch_every_s=float(os.environ.get("EVERY_S", "0.1")), watch_lease_s=float(os.environ.get("LEASE_S", "1"))
)
tasks.swap_runtime(make_runtime(tasks.registry, tasks.settings, limits))
app = FastAPI()
tasks.install(app)
app.include_router(tasks.health_router())


@tasks.task(if_lost="alert", name="work", queue="imports")
def work(number: int) -> None: ...
