from __future__ import annotations

import os
from pathlib import Path

import pytest

from twolane.backends.sqlite.place import Place, judge, place_of

LAPTOP = """\
22 28 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 28 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw
24 28 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,size=8043244k,mode=755
26 28 0:24 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=1614108k,mode=755
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
29 24 0:26 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw
94 28 259:1 / /boot/efi rw,relatime shared:31 - vfat /dev/nvme0n1p1 rw
97 28 253:0 / /home rw,relatime shared:33 - btrfs /dev/mapper/home rw,ssd,subvolid=256,subvol=/@home
101 28 0:45 / /tmp rw,nosuid,nodev shared:35 - tmpfs tmpfs rw
433 97 0:59 / /home/ann/team\\040drive rw,nosuid,nodev,relatime shared:260 - fuse.sshfs ann@files:/srv rw,user_id=1000
434 97 8:17 / /home/ann/usb rw,nosuid,nodev,relatime shared:261 - fuseblk /dev/sdb1 rw,user_id=0
435 97 0:60 / /home/ann/cloud rw,nosuid,nodev,relatime shared:262 - fuse.rclone cloud: rw,user_id=1000
436 97 0:61 / /home/ann/vault rw,nosuid,nodev,relatime shared:263 - fuse.gocryptfs /home/ann/.vault rw,user_id=1000
437 28 259:2 /srv/disk /mnt/bound rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
438 28 0:62 / /mnt rw,relatime shared:270 - nfs4 nas:/export rw,vers=4.2,addr=10.0.0.9
"""

DOCKER = """\
1207 1080 0:230 / / rw,relatime master:460 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/AB,upperdir=/x,workdir=/w
1208 1207 0:234 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
1209 1207 0:235 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
1211 1207 0:232 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
1213 1207 254:1 /var/lib/docker/containers/0f/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda1 rw
"""
DOCKER_VOLUME = (
    DOCKER
    + """\
1216 1207 254:1 /var/lib/docker/volumes/twolane/_data /data rw,relatime master:1 - ext4 /dev/vda1 rw
1217 1207 254:1 /srv/app /app rw,relatime - xfs /dev/vda1 rw
"""
)
DOCKER_NAMELESS = (
    DOCKER
    + f"1216 1207 254:1 /var/lib/docker/volumes/{'4f' * 32}/_data /data rw,relatime master:1 - ext4 /dev/vda1 rw\n"
)
DOCKER_ON_A_MAC = (
    DOCKER
    + """\
1220 1207 0:44 / /app rw,relatime - fakeowner /run/host_mark/Users rw,fakeowner
1221 1207 0:45 / /src rw,relatime - virtiofs virtiofs0 rw
1222 1207 0:46 / /old rw,nosuid,nodev,relatime - fuse.grpcfuse grpcfuse rw,user_id=0
"""
)
DOCKER_ON_BTRFS = (
    "812 700 0:38 /@/var/lib/docker/btrfs/subvolumes/9c1e / rw,relatime master:1 - btrfs /dev/sda2 rw,ssd\n"
)
DOCKER_ON_ZFS = f"812 700 0:38 / / rw,relatime master:1 - zfs rpool/docker/{'9c' * 32} rw,xattr\n"
PODMAN = "812 700 0:61 / / rw,nodev,relatime - fuse.fuse-overlayfs fuse-overlayfs rw,user_id=0\n"
KUBERNETES = (
    DOCKER
    + """\
1230 1207 254:1 /var/lib/kubelet/pods/5f-11/volumes/kubernetes.io~empty-dir/scratch /scratch rw,relatime - xfs /dev/vda1 rw
1231 1207 259:3 / /data rw,relatime - ext4 /dev/nvme1n1 rw
1232 1207 0:71 / /secrets ro,relatime - tmpfs tmpfs ro,size=4k
"""
)
EFS = (
    DOCKER
    + """\
1240 1207 0:80 / /mnt/efs rw,relatime - nfs4 127.0.0.1:/ rw,vers=4.1,rsize=1048576,port=20049,clientaddr=127.0.0.1
1241 1207 0:81 / /mnt/efs2 rw,relatime - nfs4 fs-0123.efs.eu-west-1.amazonaws.com:/ rw,vers=4.1
"""
)
SERVER = """\
21 1 252:1 / / rw,relatime shared:1 - xfs /dev/vda1 rw,attr2,noquota
40 21 0:40 / /mnt/share rw,relatime shared:2 - cifs //nas/share rw,vers=3.1.1
41 21 0:41 / /mnt/old rw,relatime shared:3 - nfs nas:/old rw,vers=3
42 21 0:42 / /mnt/ceph rw,relatime shared:4 - ceph 10.0.0.1:6789:/ rw
43 21 0:43 / /mnt/bucket rw,nosuid,nodev,relatime shared:5 - fuse.mountpoint-s3 mountpoint-s3 rw
44 21 0:44 / /mnt/plain rw,nosuid,nodev,relatime shared:6 - fuse something rw
45 40 252:2 / /mnt/share/fast rw,relatime shared:7 - ext4 /dev/vdb rw
46 21 0:45 / /mnt/nameless rw,relatime - tmpfs  rw
"""
WSL = """\
80 68 8:32 / / rw,relatime - ext4 /dev/sdc rw,discard,errors=remount-ro,data=ordered
92 80 0:58 / /mnt/c rw,noatime - 9p C:\\134 rw,aname=drvfs;path=C:\\134;uid=1000
"""
GVISOR = "1 0 0:12 / / rw - 9p none rw,trans=fd,rfdno=4,wfdno=4,aname=/,dfltuid=4294967294\n"
MICROVM = "30 1 0:27 / / rw,relatime - virtiofs kataShared rw\n"
MACHINE_WITH_NFS_ROOT = "30 1 0:27 / / rw,relatime - nfs 10.0.0.1:/diskless rw,vers=3\n"


@pytest.mark.parametrize(
    ("table", "path", "kind", "filesystem", "mount_point"),
    [
        (LAPTOP, "/srv/app/twolane.db", "durable", "ext4", "/"),
        (LAPTOP, "/home/ann/app/twolane.db", "durable", "btrfs", "/home"),
        (LAPTOP, "/homestead/twolane.db", "durable", "ext4", "/"),
        (LAPTOP, "/tmp/twolane.db", "dies_with_container", "tmpfs", "/tmp"),
        (LAPTOP, "/dev/shm/twolane.db", "dies_with_container", "tmpfs", "/dev/shm"),
        (LAPTOP, "/dev/twolane.db", "dies_with_container", "devtmpfs", "/dev"),
        (LAPTOP, "/home/ann/team drive/twolane.db", "network", "fuse.sshfs", "/home/ann/team drive"),
        (LAPTOP, "/home/ann/team", "durable", "btrfs", "/home"),
        (LAPTOP, "/home/ann/usb/twolane.db", "durable", "fuseblk", "/home/ann/usb"),
        (LAPTOP, "/home/ann/cloud/twolane.db", "network", "fuse.rclone", "/home/ann/cloud"),
        (LAPTOP, "/home/ann/vault/twolane.db", "durable", "fuse.gocryptfs", "/home/ann/vault"),
        (LAPTOP, "/mnt/bound/twolane.db", "network", "nfs4", "/mnt"),  # mounted over the bind mount
        (LAPTOP, "/mnt", "network", "nfs4", "/mnt"),
        (LAPTOP, "/", "durable", "ext4", "/"),
        (DOCKER, "/app/twolane.db", "dies_with_container", "overlay", "/"),
        (DOCKER, "/dev/twolane.db", "dies_with_container", "tmpfs", "/dev"),
        (DOCKER_VOLUME, "/data/twolane.db", "durable", "ext4", "/data"),
        (DOCKER_VOLUME, "/app/deep/twolane.db", "durable", "xfs", "/app"),
        (DOCKER_VOLUME, "/database/twolane.db", "dies_with_container", "overlay", "/"),
        (DOCKER_NAMELESS, "/data/twolane.db", "dies_with_container", "ext4", "/data"),
        (DOCKER_ON_A_MAC, "/app/twolane.db", "network", "fakeowner", "/app"),
        (DOCKER_ON_A_MAC, "/src/twolane.db", "network", "virtiofs", "/src"),
        (DOCKER_ON_A_MAC, "/old/twolane.db", "network", "fuse.grpcfuse", "/old"),
        (DOCKER_ON_BTRFS, "/app/twolane.db", "dies_with_container", "btrfs", "/"),
        (DOCKER_ON_ZFS, "/app/twolane.db", "dies_with_container", "zfs", "/"),
        (PODMAN, "/app/twolane.db", "dies_with_container", "fuse.fuse-overlayfs", "/"),
        (KUBERNETES, "/scratch/twolane.db", "dies_with_container", "xfs", "/scratch"),
        (KUBERNETES, "/data/twolane.db", "durable", "ext4", "/data"),
        (KUBERNETES, "/secrets/twolane.db", "dies_with_container", "tmpfs", "/secrets"),
        (EFS, "/mnt/efs/twolane.db", "network", "nfs4", "/mnt/efs"),
        (EFS, "/mnt/efs2/twolane.db", "network", "nfs4", "/mnt/efs2"),
        (SERVER, "/mnt/share/twolane.db", "network", "cifs", "/mnt/share"),
        (SERVER, "/mnt/share/fast/twolane.db", "durable", "ext4", "/mnt/share/fast"),
        (SERVER, "/mnt/old/twolane.db", "network", "nfs", "/mnt/old"),
        (SERVER, "/mnt/ceph/twolane.db", "network", "ceph", "/mnt/ceph"),
        (SERVER, "/mnt/bucket/twolane.db", "network", "fuse.mountpoint-s3", "/mnt/bucket"),
        (SERVER, "/mnt/plain/twolane.db", "network", "fuse", "/mnt/plain"),
        (SERVER, "/mnt/nameless/twolane.db", "dies_with_container", "tmpfs", "/mnt/nameless"),
        (WSL, "/home/ann/twolane.db", "durable", "ext4", "/"),
        (WSL, "/mnt/c/Users/ann/twolane.db", "network", "9p", "/mnt/c"),
        (GVISOR, "/app/twolane.db", "dies_with_container", "9p", "/"),
        (MICROVM, "/app/twolane.db", "dies_with_container", "virtiofs", "/"),
        (MACHINE_WITH_NFS_ROOT, "/app/twolane.db", "network", "nfs", "/"),
    ],
)
def test_a_place(table: str, path: str, kind: str, filesystem: str, mount_point: str) -> None:
    place = judge(path, table)
    assert (place.kind, place.filesystem, place.mount_point) == (kind, filesystem, mount_point)
    assert place.refused == (kind == "network")
    assert place.sentence.startswith(f"{path} lies on {filesystem}")
    if kind != "durable":
        assert "put the file" in place.sentence


def test_the_order_of_the_table_does_not_matter() -> None:
    for table in (LAPTOP, DOCKER_VOLUME, SERVER):
        turned = "\n".join(reversed(table.splitlines()))
        for path in ("/mnt/share/fast/x", "/data/x", "/mnt/bound/x", "/x"):
            assert judge(path, turned) == judge(path, table)


def test_of_two_mounts_on_one_point_the_upper_one_counts() -> None:
    table = LAPTOP + "500 97 0:70 / /home/ann/usb2 rw - ext4 /dev/sdc1 rw\n"
    table += "501 500 0:71 / /home/ann/usb2 rw - nfs4 nas:/usb rw\n"
    assert judge("/home/ann/usb2/twolane.db", table).filesystem == "nfs4"


def test_without_a_root_the_longest_mount_point_counts() -> None:
    table = "50 40 8:1 / /jail/data rw - ext4 /dev/sda rw\n51 41 0:5 / /jail rw - overlay overlay rw\n"
    assert judge("/jail/data/twolane.db", table).filesystem == "ext4"


def test_odd_characters_in_paths() -> None:
    odd = "1 0 8:1 / / rw - ext4 /dev/sda rw\n"
    odd += "2 1 0:9 / /a\\011b\\012c\\134d\u2028e\u00a0f rw - nfs nas:/x rw\n"
    assert judge("/a\tb\nc\\d\u2028e\u00a0f/twolane.db", odd).kind == "network"


@pytest.mark.parametrize("table", ["", "\n\n", "garbage\n", "1 0 8:1 / / rw\n", "x y z - ext4 /dev/sda rw\n"])
def test_a_table_that_tells_nothing_is_taken_for_a_local_disk(table: str) -> None:
    place = judge("/srv/twolane.db", table)
    assert (place.kind, place.filesystem) == ("durable", "")
    assert "not known" in place.sentence


class TestPlaceOf:
    def test_a_system_without_a_mount_table(self, tmp_path: Path) -> None:
        place = place_of("/srv/twolane.db", {}, tmp_path / "none")
        assert (place.kind, place.refused) == ("durable", False)
        assert "tells no mounts" in place.sentence

    def test_a_lambda_function(self, tmp_path: Path) -> None:
        place = place_of(tmp_path / "twolane.db", {"AWS_LAMBDA_FUNCTION_NAME": "imports"})
        assert (place.kind, place.refused) == ("lambda", True)
        assert "Lambda function imports" in place.sentence
        assert "sqs://" in place.sentence

    def test_links_are_followed_and_the_file_need_not_exist(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        table = tmp_path / "mountinfo"
        table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / {tmp_path}/real rw - nfs nas:/x rw\n")
        assert place_of(tmp_path / "link" / "new" / "twolane.db", {}, table).kind == "network"

    def test_a_relative_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        table = tmp_path / "mountinfo"
        table.write_text(f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / {tmp_path} rw - nfs nas:/x rw\n")
        assert place_of("twolane.db", {}, table).mount_point == str(tmp_path)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        table = tmp_path / "mountinfo"
        table.write_bytes(b"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /srv/\xff rw - nfs nas:/x rw\n")
        assert place_of(os.fsdecode(b"/srv/\xff/twolane.db"), {}, table).kind == "network"

    def test_this_machine(self, tmp_path: Path) -> None:
        place = place_of(tmp_path / "twolane.db", {})
        assert isinstance(place, Place)
        if os.path.exists("/proc/self/mountinfo"):  # noqa: PTH110
            assert Path(place.mount_point).is_mount()
