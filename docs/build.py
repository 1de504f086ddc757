"""Build the documentation site into `build/site`: `make docs`, or `python docs/build.py`. It needs no network.

The pages are the Markdown files as they lie in the repository: README.md is the front page, then `docs`, the
README of each experiment, AGENTS.md, CONTRIBUTING.md and CHANGELOG.md. They are laid out in `build/docs` as they
lie here, so that a relative link or a figure is at the same place on the site as where the code is hosted.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGED = ROOT / "build" / "docs"
PAGES = ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md", "experiments/*/README.md")
FIGURES = ("docs/figures/*.png",)


def files() -> list[Path]:
    """What the site is made of, relative to the repository."""
    return sorted({path.relative_to(ROOT) for words in (*PAGES, *FIGURES) for path in ROOT.glob(words)})


def stage(folder: Path = STAGED) -> None:
    """Lay the pages and their figures out in a folder of their own, which holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in files():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)


def main() -> int:
    """Stage the pages and build the site, strict: a link to nothing ends it with an error."""
    stage()
    shutil.rmtree(ROOT / "build" / "site", ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]  # its cache knows no docstrings
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
