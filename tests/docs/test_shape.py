"""What pages are made of: which there are, how long, with which blocks, and that what they name is there."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from experiments import EXPERIMENTS as NAMES
from experiments.__main__ import prepare
from launch.cli import app
from tests.docs import pages
from tests.docs.pages import EXPERIMENTS, GUIDE, LANGUAGES, NAV, ROOT, SHOWN

README_LINES, AGENTS_LINES = 150, 100
COMMANDS: Any = typer.main.get_command(app)
OWN_OPTIONS = {"run"}
"""Commands that take the fields of a config as options."""


def every() -> Iterator[tuple[str, list[str]]]:
    """The names of all commands, those of groups too, each with the words that call it."""

    def walk(group: Any, path: list[str]) -> Iterator[tuple[str, list[str]]]:
        for name, command in group.commands.items():
            yield " ".join([*path, name]), [*path, name]
            if hasattr(command, "commands"):
                yield from walk(command, [*path, name])

    yield from walk(COMMANDS, [])


def test_the_readme_and_the_page_for_programs_are_short():
    assert len(pages.text("README.md").splitlines()) <= README_LINES
    assert len(pages.text("AGENTS.md").splitlines()) <= AGENTS_LINES


def test_every_page_is_on_the_site():
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    there |= {f"experiments/{name}/README.md" for name in NAMES}
    assert there <= set(NAV), "a page that is not in the nav of zensical.toml"
    assert len(NAV) == len(set(NAV))
    assert all((ROOT / page).is_file() for page in NAV)


def test_every_package_of_the_library_has_its_page():
    packages = {path.parent.name for path in (ROOT / "framework").glob("*/__init__.py")}
    told = {path.stem for path in (ROOT / "docs" / "api").glob("*.md")} - {"index", "spine"}
    assert told == packages
    modules = {path.stem for path in (ROOT / "framework").glob("*.py")} - {"__init__"}
    assert set(re.findall(r"^::: framework\.(\w+)$", pages.text("docs/api/spine.md"), re.MULTILINE)) == modules


@pytest.mark.parametrize("page", NAV)
def test_every_block_has_a_language_that_says_what_becomes_of_it(page: str):
    found = pages.FENCE.findall(pages.text(page))
    assert pages.text(page).count("\n```") == 2 * len(found)
    assert {language for language, _ in found} <= LANGUAGES


@pytest.mark.parametrize("page", [page for page in NAV if page != GUIDE])
def test_what_is_only_shown_has_its_reason(page: str):
    assert pages.lines(page, "console") == list(SHOWN.get(page, {}))


def test_the_whole_experiment_is_under_forty_lines():
    assert len(pages.own_experiment().splitlines()) < 40
    assert '`"penalty": "experiments.penalty.manager:PenaltyManager",`' in pages.text(
        "docs/your-own-experiment.md"
    )


def test_make_targets_exist():
    told = {
        word
        for page in NAV
        for line in [*pages.lines(page), *pages.SPAN.findall(pages.prose(page))]
        if line.startswith("make ")
        for word in line.split()[1:]
        if word.isalpha()
    }
    assert {"demo", "test", "check", "docs", "bench", "install", "sweeps"} <= told
    for target in told:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_every_verb_is_told():
    told = pages.text("docs/commands.md") + pages.text("docs/server.md")
    for name, path in every():
        if path[0] == "serve" and len(path) > 1:
            assert re.search(rf"\b{path[-1]}\b", told), name
        else:
            assert f"`sashiko {name}" in told, name


def options_of(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def commands_in(page: str) -> Iterator[str]:
    """What begins with `sashiko`, on lines of their own and within sentences."""
    for line in [*pages.lines(page), *pages.SPAN.findall(pages.prose(page))]:
        if line.startswith("sashiko "):
            yield line.replace("\n", " ")


@pytest.mark.parametrize("page", [page for page in NAV if page != "CHANGELOG.md"])
def test_every_command_that_is_named_has_its_verb_and_options(page: str):
    for line in commands_in(page):
        words = shlex.split(re.sub(r"\s\d?[;|<>&].*$", "", line.replace("…", "x")))[1:]
        command, options = COMMANDS, options_of(COMMANDS)
        for word in words:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
                options |= options_of(command)
        assert command is not COMMANDS or words[0] in {"COMMAND", *options_of(COMMANDS)}, line
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} - {"--help"}
        if command.name not in OWN_OPTIONS:
            assert given <= options, line


def test_the_links_of_a_page_lead_to_files():
    for page in NAV:
        for link in pages.LINK.findall(pages.SPAN.sub("", pages.prose(page))):
            target = link.partition("#")[0]
            if "://" not in link and target:
                assert (ROOT / page).parent.joinpath(target).resolve().is_file(), f"{page}: {link}"


@pytest.mark.parametrize("page", EXPERIMENTS)
def test_the_commands_of_an_experiment_have_their_files_and_fields(page: str, monkeypatch: pytest.MonkeyPatch):
    """They take minutes to hours, so they are not run here: their sweeps and configs are looked at instead."""
    monkeypatch.chdir(ROOT)
    for line in pages.lines(page):
        words = [word for word in shlex.split(line) if word != "sashiko" and not re.fullmatch(r"\w+=\S*", word)]
        sweep = next((word for word in words if word.startswith("sweeps/")), None)
        if sweep is not None:
            assert Path(sweep).is_file(), line
        elif words[0] == "run" and not any("." in word and word.endswith(".pt") for word in words):
            assert prepare(words[1:]) is not None, line
