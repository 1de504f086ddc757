"""The names in GraphQL documents: in ours, and in those that the installed client itself sends.

The client's are in its Python files and in its core, a program whose strings are whole documents. W&B's server
answers its own client, so it also takes every document that says nothing else.
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import wandb
from graphql import GraphQLSyntaxError, Visitor, parse, print_ast, visit

CLIENT = Path(wandb.__file__).parent
HEAD = re.compile(rb"\n(?:query|mutation|fragment) \w+ ?[({o]")
LONGEST = 20_000
FRAGMENT = "fragment"
AROUND = ("field", "fragment_definition", "operation_definition")

Name = tuple[str, str]
"""What stands around (a field, `query`, `mutation` or `fragment`), and a field, an argument or a key of an input
in it, `first:`. One given by a variable is told with its type as well: `first: Int`."""


class Names(Visitor):
    """Collects the names in documents."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[Name] = set()
        self._types: dict[str, str] = {}

    def enter(self, node: Any, key: Any, parent: Any, path: Any, ancestors: list[Any]) -> None:
        if node.kind == "operation_definition":
            variables = node.variable_definitions or ()
            self._types = {item.variable.name.value: print_ast(item.type) for item in variables}
        if node.kind not in ("field", "argument", "object_field"):
            return
        outer = next(item for item in reversed(ancestors) if getattr(item, "kind", "") in AROUND)
        names = [node.name.value if node.kind == "field" else f"{node.name.value}:"]
        if node.kind != "field" and node.value.kind == "variable":
            names.append(f"{names[0]} {self._types.get(node.value.name.value)}")
        self.found |= {(_title(outer), name) for name in names}


def _title(node: Any) -> str:
    if node.kind == "fragment_definition":
        return FRAGMENT
    return str(node.name.value if node.kind == "field" else node.operation.value)


def names_in(texts: Iterable[str]) -> set[Name]:
    """The names in those texts that are GraphQL."""
    names = Names()
    for text in texts:
        try:
            document = parse(_filled(text))
        except GraphQLSyntaxError:
            continue
        visit(document, names)
    return names.found


def _filled(text: str) -> str:
    """A template of `str.format` with its optional parts left out; any other text as it is."""
    return text.replace("{}", "").replace("{{", "{").replace("}}", "}") if "{{" in text and "{}" in text else text


def is_known(name: Name, known: set[Name]) -> bool:
    """Whether the client says so too: there, in a fragment, or with a variable that may be null besides."""
    where, what = name
    return bool({name, (FRAGMENT, what), (where, what.removesuffix("!"))} & known)


def strings_of(folder: Path) -> Iterator[str]:
    """Every string in the Python files of a folder; of what is put into one only the names of fragments stay."""
    for file in folder.rglob("*.py"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" in node.value:
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (str(part.value) if isinstance(part, ast.Constant) else "" for part in node.values)
                yield re.sub(r"\.\.\.(?=\s)", "...Named", "".join(parts))


def documents_of_core() -> Iterator[str]:
    """The documents in the client's core."""
    program = (CLIENT / "bin" / "wandb-core").read_bytes()
    for head in HEAD.finditer(program):
        text = program[head.start() : head.start() + LONGEST].decode(errors="replace")
        depth = 0
        for brace in re.finditer("[{}]", text):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                yield text[: brace.end()]
                break
