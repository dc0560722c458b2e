"""Where a queue file would lie: on a disk that stays, in a container that goes, on a network.

`judge` is a pure function over a mount table (the text of /proc/self/mountinfo), so that every kind
of machine is a fixture; `place_of` reads the real one. What to do about a place is the caller's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

MOUNT_TABLE = Path("/proc/self/mountinfo")

Kind = Literal["durable", "dies_with_container", "network", "lambda"]

_NETWORK = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|davfs|fakeowner|gfs2?|gpfs|lustre|ncpfs|nfs4?|ocfs2|orangefs|panfs|prl_fs"
    r"|pvfs2|smb[23]|smbfs|vboxsf|virtiofs|vmhgfs|wekafs|fuse(?:\..+)?"
)
"""One file, more than one kernel; and of FUSE all that is not known to be local."""

_LOCAL_FUSE = re.compile(
    r"fuse\.(?:apfs|bindfs|encfs|exfat|ext2|gocryptfs|mergerfs|ntfs|ntfs-3g|unionfs|zfs)"
)
_MEMORY = re.compile(r"devtmpfs|ramfs|tmpfs")
_LAYER = re.compile(r"aufs|overlay|overlayfs|rootfs|fuse\.fuse-overlayfs")
_SANDBOX_ROOT = re.compile(r"9p|virtiofs")
"""As the root, these are what gVisor and small virtual machines give to one guest alone."""

_LAYER_ROOT = re.compile(
    r"/(?:docker|containers/storage|containerd)/.*(?:btrfs|vfs|subvolumes)|/[0-9a-f]{64}$"
)
"""Storage drivers that make a container's layer out of a plain file system: told by its root or data set."""

_NAMELESS_VOLUME = re.compile(r"/kubernetes\.io~empty-dir/|/volumes/[0-9a-f]{64}/_data(?:/|$)")

_NETWORK_SAYS = (
    "a network or shared file system, where SQLite's locks and log do not hold; "
    "put the file on a local disk, or set TWOLANE_QUEUE to sqs://..."
)
_MEMORY_SAYS = (
    "memory, which a restart of the machine or container empties with every message in it; "
    "put the file on a disk"
)
_LAYER_SAYS = (
    "the container's own layer, which is deleted with the container and every message in it; "
    "mount a volume and put the file there"
)
_NAMELESS_SAYS = (
    "a volume without a name, which the next container or pod does not get; "
    "mount a named volume and put the file there"
)

_LINE = re.compile(
    r"(?P<id>\d+) (?P<parent>\d+) [^ ]+ (?P<root>[^ ]+) (?P<point>[^ ]+) [^ ]+ (?:[^ ]+ )*?"
    r"- (?P<type>[^ ]+) (?P<source>[^ ]*)"
)
"""A line of a mount table, proc(5): id parent device root point options [optional ...] - type source options."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path lies.

    Attributes:
        kind: `durable`; `dies_with_container`: gone with the container, the pod or the power;
            `network`: more than one kernel may write there; `lambda`: gone with the invocation.
        filesystem: its type as the kernel names it; empty where it is not known.
        mount_point: where it is mounted; empty where it is not known.
        sentence: what that means and what to do, for people.
    """

    kind: Kind
    filesystem: str
    mount_point: str
    sentence: str

    @property
    def refused(self) -> bool:
        """No queue file may lie there."""
        return self.kind in ("network", "lambda")


@dataclass(frozen=True, slots=True)
class _Mount:
    id: int
    parent: int
    root: str
    point: str
    filesystem: str
    source: str


def place_of(path: str | Path, environment: Mapping[str, str], mount_table: Path = MOUNT_TABLE) -> Place:
    """Judge where a file lies or would lie, on this machine.

    Args:
        path: the file; it need not exist, links in what exists of it are followed.
        environment: the process's environment; it tells a Lambda function.
        mount_table: where the kernel tells its mounts; without one (macOS) every place counts as durable.
    """
    real, unknown = os.path.realpath(path), "this system tells no mounts, so it is taken for a local disk"
    if function := environment.get("AWS_LAMBDA_FUNCTION_NAME"):
        told = f"{real} is in the Lambda function {function}, whose disk goes with it"
        return Place("lambda", "", "", f"{told}: set TWOLANE_QUEUE to sqs://...")
    try:
        table = os.fsdecode(mount_table.read_bytes())
    except OSError:
        return Place("durable", "", "", f"{real}: {unknown}")
    return judge(real, table)


def judge(path: str, mount_table: str) -> Place:
    """Judge where a path lies.

    Args:
        path: an absolute path without links.
        mount_table: the text of /proc/self/mountinfo.
    """
    mount = _mount_of(path, list(_mounts(mount_table)))
    if mount is None:
        return Place("durable", "", "", f"{path}: its mount is not known, so it is taken for a local disk")
    kind, meaning = _meaning(mount)
    where = f"{path} lies on {mount.filesystem} ({mount.source}, mounted at {mount.point})"
    return Place(kind, mount.filesystem, mount.point, f"{where}: {meaning}")


def _meaning(mount: _Mount) -> tuple[Kind, str]:
    kind = mount.filesystem
    at_root = mount.point == "/"
    if _MEMORY.fullmatch(kind):
        return "dies_with_container", _MEMORY_SAYS
    if _LAYER.fullmatch(kind) or (at_root and _SANDBOX_ROOT.fullmatch(kind)):
        return "dies_with_container", _LAYER_SAYS
    if _NETWORK.fullmatch(kind) and not _LOCAL_FUSE.fullmatch(kind):
        return "network", _NETWORK_SAYS
    if at_root and (_LAYER_ROOT.search(mount.root) or _LAYER_ROOT.search(mount.source)):
        return "dies_with_container", _LAYER_SAYS
    if _NAMELESS_VOLUME.search(mount.root):
        return "dies_with_container", _NAMELESS_SAYS
    return "durable", "a local disk"


def _mount_of(path: str, mounts: list[_Mount]) -> _Mount | None:
    """The mount a path is on: walk from the root mount as the kernel does, so that what is covered stays covered."""
    covering = [mount for mount in mounts if _covers(mount.point, path)]
    known = {mount.id for mount in mounts}
    roots = [
        mount
        for mount in covering
        if mount.point == "/" and (mount.parent not in known or mount.parent == mount.id)
    ]
    if not roots:
        return max(covering, key=lambda mount: len(mount.point), default=None)
    here = roots[0]
    while children := [mount for mount in covering if mount.parent == here.id and mount is not here]:
        here = min(children, key=lambda mount: len(mount.point))
        covering.remove(here)
    return here


def _covers(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _mounts(table: str) -> Iterator[_Mount]:
    for line in table.split("\n"):  # not splitlines: a path may hold a character that it takes for a line end
        if found := _LINE.match(line):
            root, point, source = (_plain(found[name]) for name in ("root", "point", "source"))
            yield _Mount(int(found["id"]), int(found["parent"]), root, point, found["type"], source)


def _plain(field: str) -> str:
    """Undo the octal escapes of blanks, tabs, line ends and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)
