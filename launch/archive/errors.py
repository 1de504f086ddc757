"""What can be wrong with an archive, or with the writing of one."""

from collections.abc import Sequence
from pathlib import Path

from framework.errors import SashikoError

SHOWN = 8


class ArchiveError(SashikoError):
    """An archive that could not be written, or not be restored."""


class Damaged(ArchiveError):
    """An archive with other bytes than were written. `names` holds the members that are not whole."""

    def __init__(self, path: Path, problems: Sequence[str], names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self.problems = tuple(problems)
        told = "\n".join(f"  - {line}" for line in shown(problems))
        super().__init__(f"{path} is damaged; fetch it again from where it was copied:\n{told}")


class NoArchive(ArchiveError):
    """A file that is no archive, or one of a format that this version does not know."""

    exit_code = 2


def shown(problems: Sequence[str]) -> list[str]:
    """The first of many problems, and the last, which tells the bytes; what stands between is counted."""
    between = len(problems) - SHOWN - 1
    if between <= 0:
        return list(problems)
    return [*problems[:SHOWN], f"{between} more, which `verify --json` names", problems[-1]]
