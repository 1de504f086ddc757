"""Which kind of file system a folder is on, and whether the database may live there.

SQLite's write-ahead log is shared memory between processes of one machine; over a network file system two machines
would each have their own, and the database would be torn. Only Linux tells (`/proc/self/mountinfo`).
"""

from pathlib import Path

from framework.errors import SashikoError

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "orangefs", "pvfs2", "panfs"}
)
MOUNTS = Path("/proc/self/mountinfo")


class OnNetwork(SashikoError):
    """The folder to serve is on a network file system."""


def check(directory: Path, mounts: Path = MOUNTS) -> None:
    """Let pass a folder that is on a disk of this machine.

    Raises:
        OnNetwork: it is on a network file system.
    """
    kind = kind_of(directory, mounts)
    if kind in NETWORK:
        raise OnNetwork(
            f"{directory} is on a network file system ({kind}), where the server's database would be torn:"
            " serve a folder on a disk of this machine (--dir /tmp/… or /scratch/…), and copy it with"
            " `sashiko serve backup` to where it is to be kept"
        )


def kind_of(directory: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that a folder is on, as the kernel names it; None where nothing tells."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    path = directory.resolve()
    best, kind = -1, None
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= best:  # a later mount hides an earlier one
            best, kind = len(point.parts), after.split()[0]
    return kind
