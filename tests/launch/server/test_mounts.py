"""Network file systems are told from disks by the kernel's own list of mounts."""

from pathlib import Path

import pytest

from launch.server import mounts

LISTED = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:45 / /home rw,relatime shared:20 - nfs4 fileserver:/home rw,vers=4.2
41 22 0:46 / /home/scratch rw - xfs /dev/sdb1 rw
42 22 0:47 / /mnt/my\\040share rw shared:21 master:3 - cifs //server/share rw
43 22 0:48 / /mnt/ssh rw - fuse.sshfs host:/ rw
44 22 0:49 / /hidden rw - ext4 /dev/sdc1 rw
45 22 0:50 / /hidden rw - lustre mds:/x rw
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(LISTED)
    return file


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/x", "ext4"), ("/homes", "ext4"), ("/home/north/.sashiko", "nfs4"), ("/home/scratch/x", "xfs"),
        ("/mnt/my share/x", "cifs"), ("/mnt/ssh", "fuse.sshfs"), ("/hidden/x", "lustre"),
    ],
)  # fmt: skip
def test_the_innermost_and_latest_mount_counts(listed: Path, folder: str, kind: str) -> None:
    assert mounts.kind_of(Path(folder), listed) == kind


def test_a_network_file_system_is_refused_by_name(listed: Path) -> None:
    with pytest.raises(mounts.OnNetwork, match=r"/home/north .*nfs4.*--dir"):
        mounts.check(Path("/home/north"), listed)
    mounts.check(Path("/srv"), listed)


def test_where_nothing_tells_nothing_is_refused(tmp_path: Path) -> None:
    mounts.check(tmp_path, tmp_path / "absent")


def test_this_machines_own_list_can_be_read(tmp_path: Path) -> None:
    assert mounts.kind_of(tmp_path)
