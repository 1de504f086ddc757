"""Figures as PNG files in a folder: drawn where there is none yet, or where something that it shows changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from framework.report.digest import digest_of
from framework.report.report import Draw
from framework.report.stamp import KEYWORD, stamp_of

DPI = 200


@dataclass(frozen=True)
class Drawn:
    """A figure in its file, and whether it was drawn just now. Without a `digest` it is drawn every time."""

    name: str
    path: Path
    digest: str | None
    new: bool


def draw_into(folder: Path, figures: Mapping[str, Draw], dpi: int = DPI) -> list[Drawn]:
    """The figures as `<name>.png` in a folder, which is made; files that would come out the same are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, draw in figures.items():
        path, digest = folder / f"{name}.png", digest_of(draw, dpi)
        new = digest is None or stamp_of(path) != digest
        if new:
            _save(draw, path, digest, dpi)
        drawn.append(Drawn(name, path, digest, new))
    return drawn


def _save(draw: Draw, path: Path, digest: str | None, dpi: int) -> None:
    """Written beside its place and moved there, so that what lies there is always whole."""
    beside = path.with_name(f".{path.name}.part")
    draw().savefig(beside, dpi=dpi, format="png", metadata={KEYWORD: digest} if digest else {})
    beside.replace(path)
