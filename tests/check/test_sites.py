"""Which places are sites: what it is decides, never what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.code import PRELUDE_LINES, checked, sites

WORK = "\ndef work(*args):\n    print(args)\n\nasync def awork(*args):\n    print(args)\n"

FOUND = {
    "annotation": """
        @app.post("/")
        def f(anything: BackgroundTasks):
            anything.add_task(work)
    """,
    "optional annotation": """
        @app.post("/")
        def f(bg: BackgroundTasks | None = None):
            bg.add_task(work)
    """,
    "annotation as a string": """
        @app.post("/")
        def f(bg: "BackgroundTasks"):
            bg.add_task(work)
    """,
    "constructor": """
        @app.get("/")
        def f():
            later = BackgroundTasks()
            later.add_task(work)
            return JSONResponse({}, background=later)
    """,
    "a list of tasks": """
        from starlette.background import BackgroundTasks as Many
        @app.get("/")
        def f():
            return JSONResponse({}, background=Many([BackgroundTask(work, 1)]))
    """,
    "BackgroundTask": """
        @app.get("/")
        def f():
            return JSONResponse({}, background=BackgroundTask(work, 1))
    """,
    "a service that gets it": """
        class Service:
            def __init__(self, bg: BackgroundTasks):
                self.bg = bg
            def go(self):
                self.bg.add_task(work, 1)
    """,
    "a service whose constructor has no types": """
        class Service:
            def __init__(self, bg):
                self.bg = bg
            def go(self):
                self.bg.add_task(work, 1)
        @app.get("/")
        def f(tasks_: BackgroundTasks):
            Service(tasks_).go()
    """,
    "a helper without types": """
        def helper(bag, n):
            bag.add_task(work, n)
        @app.get("/")
        def f(background_tasks: BackgroundTasks):
            helper(background_tasks, 1)
    """,
    "a factory that feeds background=": """
        def later():
            made = BackgroundTasks()
            made.add_task(work)
            return made
        @app.get("/")
        def f():
            return StreamingResponse([], background=later())
    """,
    "a dependency that brings it": """
        def bag(background_tasks: BackgroundTasks) -> BackgroundTasks:
            return background_tasks
        @app.get("/")
        def f(b=Depends(bag)):
            b.add_task(work)
    """,
    "a subclass": """
        class Mine(BackgroundTasks):
            pass
        @app.get("/")
        def f(b: Mine):
            b.add_task(work)
    """,
    "create_task": """
        @app.get("/")
        async def f():
            asyncio.create_task(awork())
    """,
    "create_task of a local coroutine": """
        @app.get("/")
        async def f():
            coro = awork(1)
            asyncio.create_task(coro)
    """,
    "ensure_future": """
        @app.get("/")
        async def f():
            asyncio.ensure_future(awork())
    """,
    "a task of the loop": """
        @app.get("/")
        async def f():
            loop = asyncio.get_running_loop()
            loop.create_task(awork())
    """,
    "an import inside the handler": """
        @app.get("/")
        async def f():
            from asyncio import create_task as go
            kept = go(awork())
            return {}
    """,
    "run_in_executor": """
        @app.get("/")
        async def f():
            asyncio.get_running_loop().run_in_executor(None, work, 1)
    """,
    "a thread": """
        @app.get("/")
        def f():
            threading.Thread(target=work, args=(1,)).start()
    """,
    "a pool": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor()
        @app.get("/")
        def f():
            pool.submit(work, 1)
    """,
    "a helper of a handler": """
        def fire():
            threading.Thread(target=work).start()
        @app.get("/")
        def f():
            fire()
    """,
    "a task group that outlives the request": """
        import anyio
        class Service:
            def __init__(self):
                self.group = anyio.create_task_group()
            def go(self):
                self.group.start_soon(awork, 1)
        service = Service()
        @app.get("/")
        def f():
            service.go()
    """,
}

FOUND["kept, and cancelled at shutdown"] = """
    class Sender:
        async def send(self):
            self.worker = asyncio.create_task(awork())
        async def aclose(self):
            self.worker.cancel()
            await self.worker
    sender = Sender()
    @app.post("/")
    async def f():
        await sender.send()
"""

NOT_FOUND = {
    "rich's progress": """
        from rich.progress import Progress
        with Progress() as progress:
            progress.add_task("work", total=3)
    """,
    "an own add_task": """
        class Board:
            def add_task(self, title): ...
        board = Board()
        @app.post("/")
        def f(background_tasks: Board):
            background_tasks.add_task(work)
            board.add_task("a")
    """,
    "an own create_task, awaited or not": """
        class Repo:
            async def create_task(self, row): ...
        @app.post("/")
        async def f(repo: Repo):
            await repo.create_task(1)
            repo.create_task(2)
    """,
    "an own class of that name": """
        class BackgroundTask:
            def __init__(self, name): ...
        @app.post("/")
        def f():
            return BackgroundTask(work)
    """,
    "awaited": """
        @app.get("/")
        async def f():
            await asyncio.create_task(awork())
            await asyncio.get_running_loop().run_in_executor(None, work)
    """,
    "gathered": """
        @app.get("/")
        async def f():
            many = [asyncio.create_task(awork(n)) for n in range(3)]
            await asyncio.gather(*many)
    """,
    "appended and waited for": """
        @app.get("/")
        async def f():
            many = []
            for n in range(3):
                many.append(asyncio.create_task(awork(n)))
            for one in many:
                await one
    """,
    "a group that waits": """
        @app.get("/")
        async def f():
            async with asyncio.TaskGroup() as group:
                group.create_task(awork())
    """,
    "a pool that waits": """
        from concurrent.futures import ThreadPoolExecutor
        @app.get("/")
        def f():
            with ThreadPoolExecutor() as pool:
                pool.submit(work)
    """,
    "joined": """
        @app.get("/")
        def f():
            t = threading.Thread(target=work)
            t.start()
            t.join()
    """,
    "cancelled at the end of a stream": """
        @app.get("/")
        async def f():
            async def stream():
                beat = asyncio.create_task(awork())
                try:
                    yield b"a"
                finally:
                    beat.cancel()
            return StreamingResponse(stream())
    """,
    "a thread that feeds the stream": """
        from queue import Queue
        @app.get("/")
        def f():
            lines = Queue()
            def feed():
                lines.put(1)
            threading.Thread(target=feed).start()
            return StreamingResponse(iter(lines.get, None))
    """,
    "handed to what streams": """
        async def stream(task):
            yield await task
        @app.get("/")
        async def f():
            found = asyncio.create_task(awork())
            return StreamingResponse(stream(found), media_type="text/plain")
    """,
    "gathered from a list": """
        @app.get("/")
        async def f():
            started = []
            for _ in range(3):
                one = asyncio.create_task(awork())
                started.append(one)
            await asyncio.gather(*started)
    """,
    "put into a group that was handed over": """
        async def more(group: asyncio.TaskGroup):
            group.create_task(awork())
        @app.get("/")
        async def f():
            async with asyncio.TaskGroup() as group:
                await more(group)
    """,
    "awaited where it is kept": """
        running = {}
        class Loader:
            async def load(self, name):
                self.running[name] = asyncio.create_task(awork())
                return await self.running[name]
        @app.get("/")
        async def f():
            return await Loader().load("a")
    """,
    "awaited by another method": """
        class Upload:
            async def begin(self):
                self.worker = asyncio.create_task(awork())
            async def finish(self):
                await self.worker
        @app.get("/")
        async def f():
            upload = Upload()
            await upload.begin()
            await upload.finish()
    """,
    "at start-up": """
        from contextlib import asynccontextmanager
        @asynccontextmanager
        async def lifespan(app):
            asyncio.create_task(awork())
            yield
        @app.on_event("startup")
        async def begin():
            asyncio.create_task(awork())
    """,
    "nothing that a request reaches": """
        def cron():
            threading.Thread(target=work).start()
    """,
    "a comment": """
        # background_tasks.add_task(work)
        NOTE = "background_tasks.add_task(work)"
    """,
    "twolane's own": """
        @app.post("/")
        def f(lanes: Lanes):
            lanes.add_task(work)
    """,
}


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_a_site(tmp_path: Path, text: str) -> None:
    from textwrap import dedent

    assert len(sites(tmp_path, WORK + dedent(text))) == 1


@pytest.mark.parametrize("text", NOT_FOUND.values(), ids=NOT_FOUND)
def test_what_only_looks_like_one(tmp_path: Path, text: str) -> None:
    from textwrap import dedent

    assert sites(tmp_path, WORK + dedent(text)) == []


@pytest.mark.parametrize(
    "file",
    ["tests__test_app", "test_app", "conftest", "venv__lib__app", "node_modules__app", "site-packages__app"],
)
def test_tests_and_vendored_code_are_not_reported(tmp_path: Path, file: str) -> None:
    text = "from fastapi import BackgroundTasks\ndef f(b: BackgroundTasks):\n    b.add_task(print)\n"
    report = checked(tmp_path, **{file: text, "app": text})
    assert [site.path for site in report.sites] == ["app.py"]


def test_a_virtual_environment_of_any_name_is_left_out(tmp_path: Path) -> None:
    text = "from fastapi import BackgroundTasks\ndef f(b: BackgroundTasks):\n    b.add_task(print)\n"
    (tmp_path / "myenv").mkdir()
    (tmp_path / "myenv" / "pyvenv.cfg").write_text("home = /usr\n")
    assert [site.path for site in checked(tmp_path, myenv__app=text, app=text).sites] == ["app.py"]


def test_where_a_site_is(tmp_path: Path) -> None:
    (site,) = sites(
        tmp_path,
        """\
        @app.post("/")
        def f(bg: BackgroundTasks):
            bg.add_task(
                print,
                "a",
            )
        """,
    )
    assert (site.path, site.line, site.end_line) == ("main.py", PRELUDE_LINES + 3, PRELUDE_LINES + 6)
    assert (site.kind, site.callee, site.source) == ("add_task", "print", "bg.add_task(")


def test_a_wrapper_of_create_task_is_seen_through(tmp_path: Path) -> None:
    found = sites(
        tmp_path,
        WORK
        + """
running = set()

def spawn(coro):
    task = asyncio.create_task(coro)
    running.add(task)
    return task

@app.get("/")
async def f():
    spawn(awork(1))
""",
    )
    assert [(site.callee, site.kind) for site in found] == [("awork", "create_task")]


def test_a_loop_that_serves_the_process_is_no_work_of_a_request(tmp_path: Path) -> None:
    text = """
class Buffer:
    def ensure(self):
        self.task = asyncio.create_task(self.loop())
        self.tasks["watch"] = asyncio.create_task(self.watch())
        self.other = asyncio.create_task(self.once())
        self.tasks["all"] = asyncio.create_task(self.all())

    async def loop(self):
        while not self.stopped:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                break
            session.commit()

    async def watch(self):
        while self.is_running:
            session.commit()

    async def all(self):
        while self.waiting:
            session.add(self.waiting.pop())

    async def once(self):
        while True:
            session.commit()
            if done():
                return

@app.post("/")
async def f(buffer: Buffer = Depends()):
    buffer.ensure()
"""
    assert [site.callee for site in sites(tmp_path, text)] == ["self.once", "self.all"]


def test_the_hand_written_table_of_another_module(tmp_path: Path) -> None:
    report = checked(
        tmp_path,
        handlers="""
            import asyncio
            from starlette.endpoints import HTTPEndpoint

            async def save(n):
                await session.commit()

            async def create(request):
                asyncio.create_task(save(1))

            async def change(request):
                asyncio.create_task(save(2))

            class Thing(HTTPEndpoint):
                async def post(self, request):
                    asyncio.create_task(save(3))

            async def nobody_calls_this(request):
                asyncio.create_task(save(4))

            async def create_(request):
                asyncio.create_task(save(5))
        """,
        main="""
            from starlette.applications import Starlette
            from starlette.routing import Mount, Route
            import handlers
            from handlers import Thing, create

            app = Starlette(routes=[
                Route("/a", create, methods=["POST"]),
                Mount("/b", routes=[Route("/c", endpoint=guarded(handlers.change)), Route("/thing", Thing)]),
            ])
        """,
    )
    assert [site.line for site in report.sites] == [9, 12, 16]
    assert report.sites[0].evidence[-1].code == "TL115"
    assert "all that this POST does" in " ".join(each.reason for each in report.sites[2].evidence)
