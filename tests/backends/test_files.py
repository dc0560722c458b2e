from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.absent import absent, mount_small
from twolane.backends.files import CHUNK_BYTES, FileBlobs
from twolane.values.blob import BlobRef
from twolane.values.errors import BlobError, BlobMismatch, BlobMissing, BlobTooLarge

SRC = Path(__file__).parents[2] / "src"
DAY_S = 86_400.0
NOW = 1_790_000_000.25


class StoppedClock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Generated(io.RawIOBase):
    """So many bytes that exist nowhere at once."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return b"\x5a" * size


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs", clock=StoppedClock())


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def python(code: str, *args: object, **options: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-c", PRELUDE + code, *map(str, args)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]


PRELUDE = """
import io, os, signal, sys, time
from twolane.backends.files import FileBlobs
class Clock:
    def now(self): return time.time()
    def monotonic(self): return time.monotonic()
blobs = FileBlobs(sys.argv[1], clock=Clock())
"""


class TestPut:
    def test_what_goes_in_comes_out(self, blobs: FileBlobs) -> None:
        data = os.urandom(3 * CHUNK_BYTES + 17)
        ref = blobs.put(io.BytesIO(data), name="flights.csv")
        assert (ref.size_bytes, ref.sha256, ref.name) == (
            len(data),
            hashlib.sha256(data).hexdigest(),
            "flights.csv",
        )
        with blobs.open(ref) as reader:
            assert reader.read() == data

    def test_it_starts_where_the_source_stands(self, blobs: FileBlobs) -> None:
        source = io.BytesIO(b"head,body")
        source.seek(5)
        with blobs.open(blobs.put(source)) as reader:
            assert reader.read() == b"body"

    def test_an_empty_source_is_a_blob_of_no_bytes(self, blobs: FileBlobs) -> None:
        ref = blobs.put(io.BytesIO())
        with blobs.open(ref) as reader:
            assert (ref.size_bytes, reader.read()) == (0, b"")

    def test_equal_bytes_are_two_blobs(self, blobs: FileBlobs) -> None:
        first, second = blobs.put(io.BytesIO(b"same")), blobs.put(io.BytesIO(b"same"))
        assert first.key != second.key
        blobs.delete(first.key)
        blobs.open(second).close()

    def test_the_key_owes_nothing_to_the_uploader(self, blobs: FileBlobs) -> None:
        ref = blobs.put(io.BytesIO(b"x"), name="../../etc/passwd\0")
        assert re.fullmatch(r"([0-9a-f]{2})/\1[0-9a-f]{30}\.blob", ref.key)

    def test_only_this_user_may_look(self, blobs: FileBlobs) -> None:
        before = os.umask(0)
        try:
            ref = blobs.put(io.BytesIO(b"x"))
        finally:
            os.umask(before)
        file = blobs.folder / ref.key
        assert [oct(path.stat().st_mode & 0o777) for path in (file, file.parent, blobs.folder)] == [
            "0o600",
            "0o700",
            "0o700",
        ]

    def test_exactly_the_limit_is_taken(self, blobs: FileBlobs) -> None:
        assert blobs.put(io.BytesIO(b"12345"), limit_bytes=5).size_bytes == 5

    def test_one_byte_more_is_refused_and_leaves_nothing(self, blobs: FileBlobs) -> None:
        with pytest.raises(BlobTooLarge, match="more than 5 bytes"):
            blobs.put(io.BytesIO(b"123456"), limit_bytes=5)
        assert everything_in(blobs.folder) == []

    def test_an_endless_source_is_cut_off_at_the_limit(self, blobs: FileBlobs) -> None:
        source = Generated(1 << 40)
        with pytest.raises(BlobTooLarge):
            blobs.put(source, limit_bytes=2 * CHUNK_BYTES)  # type: ignore[arg-type]
        assert (1 << 40) - source.left == 3 * CHUNK_BYTES

    @pytest.mark.parametrize(
        "source",
        [io.StringIO("text"), type("Idle", (), {"read": lambda self, size: None})()],
        ids=["text", "non-blocking"],
    )
    def test_a_reader_of_another_kind_is_refused(self, blobs: FileBlobs, source: object) -> None:
        with pytest.raises(BlobError, match="blocking binary reader"):
            blobs.put(source)  # type: ignore[arg-type]
        assert everything_in(blobs.folder) == []

    def test_a_source_that_fails_leaves_nothing(self, blobs: FileBlobs) -> None:
        source = io.BytesIO(b"x")
        source.close()
        with pytest.raises(BlobError, match="cannot be read: I/O operation on closed file"):
            blobs.put(source)
        assert everything_in(blobs.folder) == []

    def test_a_refusal_by_the_source_passes_unchanged(self, blobs: FileBlobs) -> None:
        class Counting(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise BlobTooLarge("the body is over the limit of this endpoint")

        with pytest.raises(BlobTooLarge, match="of this endpoint"):
            blobs.put(Counting())

    def test_a_stream_takes_constant_memory(self, blobs: FileBlobs) -> None:
        tracemalloc.start()
        try:
            ref = blobs.put(Generated(64 << 20))  # type: ignore[arg-type]
            blobs.open(ref).close()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert ref.size_bytes == 64 << 20
        assert peak < 8 * CHUNK_BYTES

    def test_threads_may_store_at_once(self, blobs: FileBlobs) -> None:
        refs: list[BlobRef] = []
        threads = [
            threading.Thread(target=lambda n=n: refs.append(blobs.put(io.BytesIO(b"%d" % n))))
            for n in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = set()
        for ref in refs:
            with blobs.open(ref) as reader:
                found.add(reader.read())
        assert found == {b"%d" % n for n in range(16)}

    def test_a_name_that_is_taken_destroys_nobodys_bytes(self, tmp_path: Path) -> None:
        blobs = FileBlobs(tmp_path, clock=StoppedClock(), new_name=lambda: "ab" * 16)

        class Nosy(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if not self.tell():
                    with pytest.raises(BlobError):
                        blobs.put(io.BytesIO(b"second"))
                return super().read(size)

        with blobs.open(blobs.put(Nosy(b"first"))) as reader:
            assert reader.read() == b"first"

    def test_a_maker_of_wrong_names_is_a_bug(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="32 hexadecimal digits"):
            FileBlobs(tmp_path, clock=StoppedClock(), new_name=lambda: "../x").put(io.BytesIO())


class TestOpen:
    def test_the_reader_can_seek(self, blobs: FileBlobs) -> None:
        with blobs.open(blobs.put(io.BytesIO(b"0123456789"))) as reader:
            assert reader.tell() == 0
            reader.seek(7)
            assert reader.read() == b"789"
            with pytest.raises(io.UnsupportedOperation):
                reader.write(b"no")

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "/etc/passwd",
            "../outside.blob",
            "ab/../../outside.blob",
            "ab/../ab/" + "ab" * 16 + ".blob",
            "cd/" + "ab" * 16 + ".blob",
            "ab/" + "AB" * 16 + ".blob",
            "ab/" + "ab" * 16 + ".blob\n",
            "ab/" + "ab" * 16 + ".blob\0",
            "ab//" + "ab" * 16 + ".blob",
            "ab/" + "ab" * 16,
            "ab/" + "ab" * 16 + ".part",
            "\udcff",
            "ab/" + "ab" * 16 + ".blob",
        ],
    )
    def test_a_key_that_is_not_there_or_not_ours(self, blobs: FileBlobs, key: str) -> None:
        outside = blobs.folder.parent / "outside.blob"
        outside.write_bytes(b"secret")
        part = blobs.folder / "ab" / ("ab" * 16 + ".part")
        part.parent.mkdir(parents=True)
        part.write_bytes(b"half")
        with pytest.raises(BlobMissing):
            blobs.open(BlobRef(key, 6, hashlib.sha256(b"secret").hexdigest()))
        blobs.delete("../outside.blob")
        assert outside.exists()

    def test_nothing_was_ever_stored(self, blobs: FileBlobs) -> None:
        with pytest.raises(BlobMissing, match="is not in"):
            blobs.open(BlobRef("ab/" + "ab" * 16 + ".blob", 0, ""))
        assert not blobs.folder.exists()

    def test_a_link_in_place_of_the_file(self, blobs: FileBlobs, tmp_path: Path) -> None:
        ref = blobs.put(io.BytesIO(b"secret"))
        file = blobs.folder / ref.key
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(BlobMissing):
            blobs.open(ref)
        blobs.delete(ref.key)
        assert (tmp_path / "elsewhere").read_bytes() == b"secret"

    def test_a_link_in_place_of_the_folder(self, blobs: FileBlobs, tmp_path: Path) -> None:
        ref = blobs.put(io.BytesIO(b"secret"))
        folder = (blobs.folder / ref.key).parent
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(BlobMissing):
            blobs.open(ref)
        blobs.delete(ref.key)
        assert [key for key, _ in blobs.stored()] == []
        assert len(everything_in(tmp_path / "elsewhere")) == 1

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "folder"])
    def test_something_else_in_place_of_the_file(self, blobs: FileBlobs, make: object) -> None:
        ref = blobs.put(io.BytesIO(b"x"))
        (blobs.folder / ref.key).unlink()
        make(blobs.folder / ref.key)  # type: ignore[operator]
        with pytest.raises(BlobMissing):
            blobs.open(ref)

    @pytest.mark.parametrize(
        ("damage", "sentence"),
        [(b"123", "has 3 bytes, its message says 5"), (b"12346", "has the sha256"), (b"", "has 0 bytes")],
    )
    def test_damage_is_an_error(self, blobs: FileBlobs, damage: bytes, sentence: str) -> None:
        ref = blobs.put(io.BytesIO(b"12345"))
        (blobs.folder / ref.key).write_bytes(damage)
        with pytest.raises(BlobMismatch, match=sentence):
            blobs.open(ref)

    def test_a_message_about_other_bytes_is_an_error(self, blobs: FileBlobs) -> None:
        ref = replace(blobs.put(io.BytesIO(b"12345")), sha256="0" * 64)
        with pytest.raises(BlobMismatch):
            blobs.open(ref)

    def test_no_descriptor_is_left_open(self, blobs: FileBlobs) -> None:
        ref = blobs.put(io.BytesIO(b"12345"))
        before = os.open(os.devnull, os.O_RDONLY)
        os.close(before)
        for wrong in (replace(ref, size_bytes=6), replace(ref, key="zz"), replace(ref, sha256="")):
            with pytest.raises((BlobMismatch, BlobMissing)):
                blobs.open(wrong)
        with pytest.raises(BlobTooLarge):
            blobs.put(io.BytesIO(b"12345"), limit_bytes=1)
        after = os.open(os.devnull, os.O_RDONLY)
        os.close(after)
        assert after == before


class TestDeleteAndStored:
    def test_deleted_is_gone_and_twice_is_harmless(self, blobs: FileBlobs) -> None:
        ref = blobs.put(io.BytesIO(b"x"))
        blobs.delete(ref.key)
        blobs.delete(ref.key)
        with pytest.raises(BlobMissing):
            blobs.open(ref)

    def test_an_open_reader_survives_the_deletion(self, blobs: FileBlobs) -> None:
        ref = blobs.put(io.BytesIO(b"still here"))
        with blobs.open(ref) as reader:
            blobs.delete(ref.key)
            assert reader.read() == b"still here"

    def test_stored_names_each_with_its_time(self, blobs: FileBlobs) -> None:
        refs = [blobs.put(io.BytesIO(b"x")) for _ in range(20)]
        assert dict(blobs.stored()) == {ref.key: pytest.approx(NOW) for ref in refs}

    def test_a_leftover_is_named_at_its_last_write_and_can_be_deleted(self, blobs: FileBlobs) -> None:
        left = blobs.folder / "ab" / ("ab" * 16 + ".part")
        left.parent.mkdir(parents=True)
        left.write_bytes(b"half")
        os.utime(left, (NOW - 2 * DAY_S, NOW - 2 * DAY_S))
        ((key, at),) = blobs.stored()
        assert at < NOW - DAY_S
        blobs.delete(key)
        assert list(blobs.stored()) == []

    def test_strangers_files_are_not_ours(self, blobs: FileBlobs) -> None:
        ref = blobs.put(io.BytesIO(b"x"))
        (blobs.folder / "README").write_text("hello")
        (blobs.folder / ref.key[:2] / "notes.txt").write_text("hello")
        (blobs.folder / "zz").mkdir()
        assert [key for key, _ in blobs.stored()] == [ref.key]

    def test_a_folder_that_is_not_there_stores_nothing(self, blobs: FileBlobs) -> None:
        assert list(blobs.stored()) == []
        assert not blobs.folder.exists()

    def test_deleting_while_listing(self, blobs: FileBlobs) -> None:
        for _ in range(50):
            blobs.put(io.BytesIO(b"x"))
        for key, _ in blobs.stored():
            blobs.delete(key)
        assert list(blobs.stored()) == []


class TestTroubleWithTheDisk:
    @pytest.mark.parametrize(
        ("code", "sentence"),
        [
            (errno.ENOSPC, "the disk is full"),
            (errno.EDQUOT, "quota"),
            (errno.EROFS, "read-only"),
            (errno.EACCES, "this user may not"),
            (errno.EIO, "Input/output error"),
        ],
    )
    @pytest.mark.parametrize("step", ["write", "fsync", "rename"])
    def test_each_is_one_sentence_and_leaves_nothing(
        self, blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch, step: str, code: int, sentence: str
    ) -> None:
        blobs.put(io.BytesIO(b"the folder is there"))
        before = everything_in(blobs.folder)

        def broken(*args: object, **options: object) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os, step, broken)
            with pytest.raises(BlobError, match=sentence):
                blobs.put(io.BytesIO(b"x"))
        assert everything_in(blobs.folder) == before

    def test_an_unsynced_folder_is_no_durable_blob(
        self, blobs: FileBlobs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blobs.put(io.BytesIO(b"the folder is there"))
        before, fsync = everything_in(blobs.folder), os.fsync

        def only_files(file: int) -> None:
            if not os.path.isfile(f"/dev/fd/{file}"):  # noqa: PTH113
                raise OSError(errno.EIO, "Input/output error")
            fsync(file)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", only_files)
            with pytest.raises(BlobError, match="Input/output error"):
                blobs.put(io.BytesIO(b"x"))
        assert everything_in(blobs.folder) == before

    def test_no_permission(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(0o500)
        as_nobody = 65534 if os.geteuid() == 0 else os.geteuid()
        mine = os.geteuid()
        os.seteuid(as_nobody)
        try:
            with pytest.raises(BlobError, match="this user may not use it"):
                FileBlobs(closed / "blobs", clock=StoppedClock()).put(io.BytesIO(b"x"))
        finally:
            os.seteuid(mine)

    def test_a_file_in_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "blobs").write_text("I was here first")
        blobs = FileBlobs(tmp_path / "blobs", clock=StoppedClock())
        with pytest.raises(BlobError, match="Not a directory"):
            blobs.put(io.BytesIO(b"x"))
        assert list(blobs.stored()) == []

    def test_a_full_disk(self, small_disk: Path) -> None:
        blobs = FileBlobs(small_disk / "blobs", clock=StoppedClock())
        kept = blobs.put(io.BytesIO(b"k" * 100_000))
        with pytest.raises(BlobError, match="the disk is full"):
            blobs.put(Generated(64 << 20))  # type: ignore[arg-type]
        assert [key for key, _ in blobs.stored()] == [kept.key]
        blobs.open(kept).close()
        assert blobs.put(io.BytesIO(b"k" * 100_000)).size_bytes == 100_000

    def test_a_limit_on_the_size_of_files(self, tmp_path: Path) -> None:
        code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try: blobs.put(io.BytesIO(b"x" * (4 << 20)))
except Exception as error: print(type(error).__name__, error, list(blobs.stored()))
"""
        told, _ = python(code, tmp_path).communicate()
        assert re.fullmatch(r"BlobError .*larger than this process or file system allows \[\]\n", told)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount_small(disk, "1m")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


STEPS = {"open": 5, "write": 2, "utime": 1, "fsync": 5, "close": 5, "rename": 1}
"""The system calls of one put into a folder two levels deep that is not there yet."""


class TestKilled:
    def test_in_the_middle_of_an_upload(self, tmp_path: Path) -> None:
        code = """
class Slow(io.RawIOBase):
    chunks = [b"x" * 262144] * 3
    def read(self, size=-1):
        if self.chunks: return self.chunks.pop()
        print("half", flush=True)
        sys.stdin.read()  # until killed
blobs.put(Slow())
"""
        with python(code, tmp_path, stdin=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "half\n"
            process.kill()
        ((key, at),) = FileBlobs(tmp_path, clock=StoppedClock()).stored()
        assert key.endswith(".part")
        assert at > 0

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize(
        ("step", "nth"), [(step, n + 1) for step, times in STEPS.items() for n in range(times)]
    )
    def test_between_every_two_steps(self, tmp_path: Path, step: str, when: str, nth: int) -> None:
        code = """
step, when, nth = sys.argv[2], sys.argv[3], int(sys.argv[4])
real, calls = getattr(os, step), 0
def deadly(*args, **options):
    global calls
    calls += 1
    if calls == nth and when == "before": os.kill(os.getpid(), signal.SIGKILL)
    answer = real(*args, **options)
    if calls == nth: os.kill(os.getpid(), signal.SIGKILL)
    return answer
setattr(os, step, deadly)
ref = blobs.put(io.BytesIO(b"whole" * 100_000))
setattr(os, step, real)
print(ref.key, flush=True)
"""
        process = python(code, tmp_path / "deep" / "blobs", step, when, nth)
        told, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, "every step is one that put takes"
        assert told == ""
        blobs = FileBlobs(tmp_path / "deep" / "blobs", clock=StoppedClock())
        whole = hashlib.sha256(b"whole" * 100_000).hexdigest()
        for key, _ in blobs.stored():
            if key.endswith(".blob"):  # then it is whole, though nobody was told of it
                blobs.open(BlobRef(key, 500_000, whole)).close()
            blobs.delete(key)
        assert everything_in(tmp_path) == []
        blobs.open(blobs.put(io.BytesIO(b"and on it goes"))).close()


class TestDurability:
    def test_the_order_of_the_system_calls(self, tmp_path: Path) -> None:
        calls = self.traced(tmp_path, "print(blobs.put(io.BytesIO(b'x' * 600_000)).key, flush=True)")
        deep, blobs = tmp_path / "deep", tmp_path / "deep" / "blobs"
        (key,) = everything_in(blobs)
        part, folder = key.replace(".blob", ".part"), blobs / key[:2]
        expected = [
            f'mkdir("{deep}"',
            f"fsync(.*<{tmp_path}>",
            f'mkdir("{blobs}"',
            f"fsync(.*<{deep}>",
            f'mkdir("{folder}"',
            f"fsync(.*<{blobs}>",
            f"fsync(.*<{blobs / part}>",
            f'rename.*"{part[3:]}".*"{key[3:]}"',
            f"fsync(.*<{folder}>",
            f'write(1.*"{key}',
        ]
        assert self.in_order(expected, calls), "\n".join(calls)

    def test_a_folder_that_somebody_made_before_is_synced_too(self, tmp_path: Path) -> None:
        folder = tmp_path / "deep" / "blobs" / "ab"
        folder.mkdir(parents=True)
        code = "blobs._new_name = lambda: 'ab' * 16\nfor _ in '12': blobs.put(io.BytesIO(b'x'))"
        calls = self.traced(tmp_path, code)
        assert len([call for call in calls if f"<{folder.parent}>" in call and "fsync(" in call]) == 1

    def traced(self, tmp_path: Path, code: str) -> list[str]:
        strace = shutil.which("strace")
        if strace is None:
            absent("strace is not installed: the order of the system calls is not looked at")
        log = tmp_path.parent / f"{tmp_path.name}.strace"
        watched = "trace=fsync,fdatasync,?rename,?renameat,?renameat2,?mkdir,?mkdirat,write"
        command = [strace, "-f", "-y", "-s", "200", "-e", watched, "-o", str(log), sys.executable, "-c"]
        environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(
            [*command, PRELUDE + code, str(tmp_path / "deep" / "blobs")],
            env=environment,
            check=True,
            capture_output=True,
        )
        return log.read_text().splitlines()

    def in_order(self, patterns: list[str], calls: list[str]) -> bool:
        rest = iter(calls)
        return all(any(re.search(pattern.replace("(", r"\("), call) for call in rest) for pattern in patterns)
