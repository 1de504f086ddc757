"""The pages of the documentation, as their reader sees them: in which order, with which blocks, with which lines.

A language says what becomes of a block: `sh` is run line by line, `python` is run whole, a file's own language is
data, `text` is shown, and `console` is shown too, because it needs what a test has not; `SHOWN` says what.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LANGUAGES = {"sh", "python", "console", "text", "toml", "yaml", "json", "bash", "nginx", ""}
TABLE = ("sashiko preprocess tabular --data flowers.csv --target species --split 0.8 --separate-sets",)
SERVICE = (
    "useradd --system sashiko",
    "install -d -m 700 -o sashiko -g sashiko /var/lib/sashiko",
    "runuser -u sashiko -- /opt/sashiko/.venv/bin/sashiko serve --dir /var/lib/sashiko user add north",
    "cp docs/systemd/sashiko.service /etc/systemd/system/",
    "systemctl daemon-reload",
    "systemctl enable --now sashiko",
    "systemctl --user enable --now sashiko",
    "loginctl enable-linger",
)
SHOWN = {
    "docs/install.md": {
        **dict.fromkeys(
            (
                "python -m pip wheel --no-deps .",
                "python -m build",
                "python -m venv .venv",
                "source .venv/bin/activate",
                "pip install sashiko-0.1.0-py3-none-any.whl",
            ),
            "they take the source, an index and an environment: tests/package does all of them",
        ),
        "sashiko --install-completion": "it asks which shell it is typed in",
    },
    "docs/quick-start.md": {"source .venv/bin/activate": "it changes the shell that it is typed in"},
    "docs/server.md": {
        "wandb login --host https://wandb.lab.example:8765": "it asks for a key, at another machine",
        **dict.fromkeys(SERVICE, "it needs systemd; tests/launch/server/test_units.py runs what it starts"),
    },
    "docs/wandb-server.md": {
        "sashiko serve --dir /srv/sashiko --url https://wandb.lab.example": "it stands behind a proxy"
    },
    "experiments/tabular/README.md": dict.fromkeys(TABLE, "they want a table of the reader's own"),
}
"""The lines that are only shown, and why. Those of docs/cluster.md are listed by tests/slurm/test_guide.py."""
GUIDE = "docs/cluster.md"
"""Its commands are run by tests/slurm/test_guide.py, on a real cluster."""


def _in(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for item in nav.values():
            yield from _in(item)
    elif isinstance(nav, list):
        for item in nav:
            yield from _in(item)


NAV = list(_in(tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]))
"""All pages, in the order of the site."""
EXPERIMENTS = [page for page in NAV if page.startswith("experiments/")]
RUN = [page for page in NAV if page not in EXPERIMENTS and page not in (GUIDE, "CONTRIBUTING.md", "CHANGELOG.md")]
"""The pages whose commands are run."""


def text(page: str) -> str:
    """A page as it lies in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The blocks of a page in these languages, or in any."""
    return [block for language, block in FENCE.findall(text(page)) if not languages or language in languages]


def lines(page: str, language: str = "sh") -> list[str]:
    """The lines of the blocks in a language; of `console` those after a prompt, without their remarks."""
    found = [line for block in blocks(page, language) for line in block.splitlines() if line.strip()]
    if language == "console":
        return [re.sub(r"\s+#.*$", "", line.removeprefix("$ ")) for line in found if line.startswith("$ ")]
    return found


def prose(page: str) -> str:
    """A page without its blocks."""
    return FENCE.sub("", text(page))


def policy() -> str:
    """The policy of retention that docs/old-runs.md shows."""
    (shown,) = blocks("docs/old-runs.md", "toml")
    return shown


def own_experiment() -> str:
    """The experiment that is printed whole in `your-own-experiment.md`."""
    (example,) = (block for block in blocks("docs/your-own-experiment.md", "python") if "(Manager[" in block)
    return example
