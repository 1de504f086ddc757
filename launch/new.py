"""`sashiko new NAME`: an experiment that works, in the shape of the shortest one (`experiments/tabular`).

Its code is that of `experiments/tabular` under another name, so that it cannot fall behind; its README and its
test are made from the files in `experiments/tabular/template`. With `--project` it begins a project of the user's
own, beside an installed package: its `experiments` come first on the path, and find those of the package.
"""

import ast
import keyword
import re
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from framework.errors import ConfigError, InvalidInput, Problem
from launch.telling import JsonOption, answering

SHAPE = "tabular"
CODE = ("__init__.py", "config.py", "grids.py", "manager.py")
NAME, LONGEST = re.compile(r"[a-z][a-z0-9_]*"), 32
TEMPLATES = ("README.md", "test_manager.py.txt")
TABLE = "EXPERIMENTS"
BEFORE, AFTER = "import traceback\n", "from typing import Any\n"
BEHIND = """__path__ = extend_path(__path__, __name__)
\"\"\"Experiments that are not in this folder are those of the installed package.\"\"\"

"""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(new)


def new(
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits, underscores.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="The folder that has `experiments/`.")] = Path(),
    project: Annotated[
        bool, typer.Option("--project", help="Begin a project of your own there, with Sashiko as it is installed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an experiment that works, with its grid, sweep file and test, to start one of your own from."""
    with answering(as_json=as_json) as answer:
        written = write(name, to, project=project)
        for path in written:
            typer.echo(f"wrote {path}")
        tests = Path("tests") / "experiments" / name
        first = "" if _is_found(to) else f"export PYTHONPATH={to.resolve()}; "
        typer.echo(f"next: {first}sashiko plan {Path('sweeps') / name}.yaml; pytest {tests}")
        answer({"written": [str(path) for path in written]})


def write(name: str, to: Path, *, project: bool = False) -> list[Path]:
    """Write the experiment into a project; the files that were written, the table of experiments last.

    `project`: the project is begun, too, where nothing is called `experiments` yet.

    Raises:
        InvalidInput: a name that cannot be one or is taken, or a folder that is no project; nothing is written.
    """
    init = to / "experiments" / "__init__.py"
    problems = list(_refused_names(name))
    if project and init.parent.exists():
        problems.append(Problem("--project", f"begins one, and {init.parent} is there already; leave it out"))
    elif not project and not init.is_file():
        told = f"is {to.absolute()}, which has no experiments/__init__.py; --project begins a project there"
        problems.append(Problem("--to", told))
    if problems:
        raise ConfigError(problems, "new")
    texts = {to / path: text for path, text in texts_of(name).items()}
    problems = [Problem("NAME", f"is {name}, and there is {path}") for path in _taken(texts, to, name)]
    if problems:
        raise ConfigError(problems, "new")
    entered = with_entry(beginning() if project else init.read_text(encoding="utf-8"), name, str(init))
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    beside = init.with_name(f".{init.name}.part")
    beside.write_text(entered, encoding="utf-8")
    beside.replace(init)
    return [*texts, init]


def beginning() -> str:
    """The `experiments/__init__.py` of a project of the user's own: that of Sashiko, and where the rest is."""
    text = (resources.files("experiments") / "__init__.py").read_text(encoding="utf-8")
    if BEHIND in text:  # it is one of those itself
        return text
    head, table = f"{BEFORE}from pkgutil import extend_path\n{AFTER}", f"{TABLE} = {{\n"
    return text.replace(BEFORE + AFTER, head, 1).replace(table, BEHIND + table, 1)


def _is_found(to: Path) -> bool:
    """Whether the experiments of a project are those that this command imports."""
    found = find_spec("experiments")
    return found is not None and found.origin == str((to / "experiments" / "__init__.py").resolve())


def _refused_names(name: str) -> Iterator[Problem]:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        allowed = f"lower-case letters, digits and underscores, a letter first, at most {LONGEST}"
        yield Problem("NAME", f"is {name!r}; allowed: {allowed}")
    elif keyword.iskeyword(name) or keyword.issoftkeyword(name):
        yield Problem("NAME", f"is {name}, which is a word of Python's own; take another")
    elif name in sys.stdlib_module_names or find_spec(name) is not None:
        yield Problem("NAME", f"is {name}, and there is a module of that name already; take another")


def _taken(texts: dict[Path, str], to: Path, name: str) -> Iterator[Path]:
    """What lies where something would be written."""
    places = [to / "experiments" / name, to / "experiments" / f"{name}.py", to / "tests" / "experiments" / name]
    yield from (place for place in places if place.exists())
    yield from (path for path in texts if path.exists() and path.parent not in places)


def texts_of(name: str) -> dict[Path, str]:
    """The files of an experiment of that name by their paths in a project, but for the table of experiments."""
    from experiments import manager_of
    from experiments.sweep_files import text_of

    source = resources.files(f"experiments.{SHAPE}")
    here, tests = Path("experiments") / name, Path("tests") / "experiments" / name
    found = {here / file: renamed((source / file).read_text(encoding="utf-8"), name) for file in CODE}
    readme, test = ((source / "template" / file).read_text(encoding="utf-8") for file in TEMPLATES)
    found[here / "README.md"] = readme.replace("NAME", name)
    found |= {tests / "__init__.py": "", tests / "test_manager.py": renamed(test, name)}
    found[Path("sweeps") / f"{name}.yaml"] = text_of(name, name, manager_of(SHAPE).grids[SHAPE])
    return found


def renamed(text: str, name: str) -> str:
    """The code of the shape under another name: its modules, its classes, and the text that is its name."""
    camel = "".join(word.capitalize() for word in name.split("_"))
    text = re.sub(rf"\bexperiments\.{SHAPE}\b", f"experiments.{name}", text)
    text = text.replace(f'"{SHAPE}"', f'"{name}"')
    return re.sub(rf"\b{SHAPE.capitalize()}(?=Config|Manager)", camel, text)


def with_entry(text: str, name: str, where: str) -> str:
    """The source of `experiments/__init__.py` with a line more in its table; all else stays as it is.

    Raises:
        InvalidInput: the table has the name, or cannot be found.
    """
    camel = "".join(word.capitalize() for word in name.split("_"))
    line = f'    "{name}": "experiments.{name}.manager:{camel}Manager",\n'
    table = _table(text)
    if table is None or table.end_lineno is None:
        told = f"has no `{TABLE} = {{…}}` over several lines to add one to; write into it: {line.strip()}"
        raise InvalidInput([Problem("", told)], where)
    if name in [key.value for key in table.keys if isinstance(key, ast.Constant)]:
        raise ConfigError([Problem("NAME", f"is {name}, which {where} has already; take another")], "new")
    lines = text.splitlines(keepends=True)
    lines.insert(table.end_lineno - 1, line)
    return "".join(lines)


def _table(text: str) -> ast.Dict | None:
    """The table of experiments, where it ends with a comma and a brace on a line of its own."""
    try:
        body = ast.parse(text).body
    except SyntaxError:
        return None
    lines = text.splitlines()
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        named = any(isinstance(target, ast.Name) and target.id == TABLE for target in targets)
        value = getattr(statement, "value", None)
        if named and isinstance(value, ast.Dict) and value.end_lineno is not None:
            alone = lines[value.end_lineno - 1].strip() == "}"
            before = lines[value.end_lineno - 2].split("#")[0].rstrip()
            return value if alone and before.endswith((",", "{")) else None
    return None
