"""Whether what is imported is Sashiko as it was installed: no package of another's, no file written over."""

import base64
import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import sashiko
from launch.finding import Finding, bad
from launch.words import counted

WHAT = "its packages"
AGAIN = "install it again: pip install --force-reinstall --no-deps sashiko-….whl"
SHOWN = 3


def findings() -> Iterator[Finding]:
    """What is wrong with the packages of our names, or a line that nothing is."""
    clashes = sashiko.foreign() or sashiko.shared()
    yield from (bad(WHAT, clash.told, clash.mend) for clash in clashes)
    other = changed(Path(__file__).parents[1])
    if other:
        named = f"{', '.join(other[:SHOWN])}{' …' if len(other) > SHOWN else ''}"
        yield bad(WHAT, f"{counted(len(other), 'file')} not as installed: {named}", AGAIN)
    elif not clashes:
        yield Finding(WHAT, f"{', '.join(sashiko.MARKS)} are Sashiko's own, in {Path(__file__).parents[1]}")


def changed(place: Path) -> list[str]:
    """The files of our packages in `place` that are gone or others than were installed; none of a source tree."""
    for distribution in metadata.distributions(name=sashiko.OURS, path=[str(place)]):
        lines = [line.rsplit(",", 2) for line in (distribution.read_text("RECORD") or "").splitlines()]
        whole = [(line[0], line[1]) for line in lines if len(line) == 3]
        ours = {name: digest for name, digest in whole if name.partition("/")[0] in sashiko.MARKS}
        return sorted(name for name, digest in ours.items() if digest and _digest(place / name) != digest)
    return []


def _digest(path: Path) -> str:
    """The digest of a file as a list of files has it (PEP 376); empty of one that cannot be read."""
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return ""
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
