"""What can be wrong with an archive, or with the writing of one."""

from collections.abc import Sequence
from pathlib import Path

from framework.errors import SashikoError


class ArchiveError(SashikoError):
    """An archive that could not be written, or not be restored."""


class Damaged(ArchiveError):
    """An archive with other bytes than were written. `names` holds the members that are not whole."""

    def __init__(self, path: Path, problems: Sequence[str], names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self.problems = tuple(problems)
        told = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{path} is damaged; fetch it again from where it was copied:\n{told}")


class NoArchive(ArchiveError):
    """A file that is no archive, or one of a format that this version does not know."""

    exit_code = 2
