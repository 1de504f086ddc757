"""The command `sashiko` begins here: it looks whether what it is about to import is Sashiko's own.

`framework`, `experiments` and `launch` are names that others have, too. Where another distribution has written
into the same folders, or a folder of that name comes first on the path, the only sign would be an ImportError deep
inside. This module has a name of its own, and imports nothing of the project before it has looked.
"""

import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

OURS = "sashiko"
MARKS = {
    "framework": ("errors.py", "class SashikoError"),
    "experiments": ("__init__.py", "EXPERIMENTS"),
    "launch": ("cli.py", "SashikoError"),
}
"""What is in each of our packages, also in those of a project of the user's own: a file, and words in it."""
MEND = "install Sashiko into a virtual environment of its own: python -m venv .venv"
OFF_THE_PATH = "take its folder off PYTHONPATH, or rename it"
EXIT_CODE = 2


class Clash(NamedTuple):
    """Somebody else's package with a name of ours: what is wrong, and what to do."""

    told: str
    mend: str


def foreign() -> list[Clash]:
    """The packages of our names that are found first and are not ours. Nothing of them is imported."""
    return [found for name in MARKS if (found := _foreign(name)) is not None]


def _foreign(name: str) -> Clash | None:
    spec = importlib.util.find_spec(name)
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
    file, words = MARKS[name]
    for place in places:
        try:
            if words in (place / file).read_text(encoding="utf-8"):
                return None
        except (OSError, UnicodeDecodeError):
            continue
    if spec is None:
        return Clash(f"the package {name} of Sashiko is gone", f"install it again; {MEND}")
    where = spec.origin or ", ".join(map(str, places))
    names = [distribution for distribution, brings in bringing().items() if name in brings]
    told = f"{name} is imported from {where}, which is not Sashiko's"
    if names:
        return Clash(f"{told}: {', '.join(names)} brings it", MEND)
    return Clash(told, OFF_THE_PATH)


def shared() -> list[Clash]:
    """The other distributions that bring packages of our names, whoever has written over whom."""
    return [
        Clash(f"{distribution} brings {' and '.join(names)}, too, and may have written over Sashiko's files", MEND)
        for distribution, names in bringing().items()
    ]


def bringing() -> dict[str, list[str]]:
    """Which other distributions bring which of our packages; a quarter of a second for some hundreds of them."""
    found: dict[str, list[str]] = {}
    for distribution in metadata.distributions():
        name = distribution.name
        if name and name.lower() != OURS:
            names = sorted(MARKS.keys() & _tops(distribution))
            if names:
                found[f"{name} {distribution.version}"] = names
    return found


def _tops(distribution: metadata.Distribution) -> set[str]:
    """The names that a distribution brings: as it tells them, and as its list of files has them."""
    told = (distribution.read_text("top_level.txt") or "").split()
    files = (distribution.read_text("RECORD") or "").splitlines()
    return {*told, *(line.partition(",")[0].partition("/")[0].removesuffix(".py") for line in files)}


def main() -> None:
    """Entry point: `launch.cli`, after a look at where it would come from."""
    wrong = foreign()
    if wrong:
        _end(wrong)
    try:
        from launch.cli import main as begin
    except Exception as error:  # whatever somebody else's module in place of ours may raise
        _end(shared(), f" ({type(error).__name__}: {error})")
        raise
    try:
        begin()
    except (AttributeError, ImportError):  # commands import what they need when they need it
        _tell(shared())
        raise


def _end(clashes: list[Clash], came_of_it: str = "") -> None:
    """Say what is wrong, and end; do nothing where nothing is."""
    if clashes:
        _tell(clashes, came_of_it)
        sys.exit(EXIT_CODE)


def _tell(clashes: list[Clash], came_of_it: str = "") -> None:
    for told, mend in clashes:
        sys.stderr.write(f"sashiko: {told}{came_of_it}; {mend}\n")


if __name__ == "__main__":
    main()
