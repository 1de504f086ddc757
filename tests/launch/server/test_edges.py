"""Every edge of the graph, walked as every kind of caller: nobody reaches what is not theirs.

The walk is generated from the table of types. From the root on, each field of each node that the executor lets
pass is asked for, with every argument from a pool that holds the names and the ids of everything there is. What
belongs together bears a mark in all of its texts and bytes (`marked`); whatever is told or fetched may hold the
caller's own marks only.
"""

import base64
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from launch.server import graphql
from launch.server.arguments import FLAG, JSON, JSONS, TEXT, TEXTS, WHOLE, Shape
from launch.server.auth import THE_OWNER, Caller
from launch.server.errors import ApiError
from launch.server.graphql import Field, Node, Type
from launch.server.limits import ServeOptions
from launch.server.request import Request, Services
from launch.server.resolvers import SCHEMA
from tests.launch.server.asgi import Client
from tests.launch.server.marked import BASE, Lab, make_lab

MARK = re.compile(r"mark[A-Z]\w*")


@pytest.fixture
def options() -> ServeOptions:
    return ServeOptions(lab=True)


@pytest.fixture
def lab(services: Services, client: Client) -> Lab:
    return make_lab(services, client)


class Walk:
    """One caller's way through the graph: the nodes that the executor let pass, and all values that it told."""

    def __init__(self, lab: Lab, caller: Caller) -> None:
        self.lab = lab
        self.caller = caller
        self.passed: list[Node] = []
        self.reached: dict[tuple[str, str], Node] = {}
        self.told: list[tuple[str, Any]] = []
        self.schema: dict[str, Type] = {name: self._watched(name, kind) for name, kind in SCHEMA.items()}

    def _watched(self, name: str, kind: Type) -> Type:
        def sees(request: Request, row: Any) -> bool:
            seen = kind.sees(request, row)
            if seen:
                self.passed.append(Node(name, row))
            return seen

        return replace(kind, sees=sees)

    def run(self) -> None:
        """Walk until nothing new is reached."""
        with Request(self.lab.services, BASE, writes=False, caller=self.caller) as request:
            waiting = [Node("Query", None)]
            while waiting:
                node = waiting.pop()
                for name, known in SCHEMA[node.type].fields.items():
                    for arguments in self.choices(known):
                        self.ask(request, node, name, arguments)
                for found in self.passed:
                    key = (found.type, identity(found.row))
                    if key not in self.reached:
                        self.reached[key] = found
                        waiting.append(found)
                self.passed.clear()

    def choices(self, known: Field) -> Iterator[dict[str, Any]]:
        """Every choice of arguments from the pool."""
        names = [name for name in known.takes if name in self.lab.pool]
        for values in itertools.product(*(self.lab.pool[name] for name in names)):
            yield {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def ask(self, request: Request, node: Node, name: str, arguments: Mapping[str, Any]) -> None:
        """One field of a node, as a value and as an object."""
        root = Type("Query", lambda request, row: True, {"node": Field(lambda *_: node, {})})
        schema = {**self.schema, "Query": root}
        given = f"({', '.join(f'{key}: ${key}' for key in arguments)})" if arguments else ""
        head = f"query Q({', '.join(f'${key}: Any' for key in arguments)})" if arguments else "query Q"
        if node.type == "Query":
            schema["Query"] = self.schema["Query"]
            text, wrap = head + " { %s }", lambda told: told
        else:
            text, wrap = head + " { node { %s } }", lambda told: told["node"]
        for query in (f"{name}{given}", f"{name}{given} {{ __typename }}"):
            try:
                told = graphql.execute(text % query, arguments, None, schema, request)
            except ApiError as error:
                if "an object: choose" in error.message or "no fields of its own" in error.message:
                    continue
                raise
            self.told.append((f"{node.type}.{name}", (wrap(told) or {}).get(name)))


def identity(row: Any) -> str:
    """What tells one row from another."""
    if isinstance(row, tuple):
        return f"({','.join(map(identity, row))})"
    if isinstance(row, list):
        return f"[{','.join(map(identity, row))}]"
    if hasattr(row, "keys"):
        return repr(tuple(row))
    return repr(row) if not callable(row) else "call"


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, ids with what is inside them."""
    if isinstance(value, str):
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode()
        except ValueError:
            return
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from itertools.chain(texts(key), texts(item))
    elif isinstance(value, Iterable):
        for item in value:
            yield from texts(item)


CALLERS = ("stranger", "read-only key", "reader", "reader by link", "writer", "maker", "owner")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("who", CALLERS)
def test_nobody_reaches_what_is_not_theirs(lab: Lab, who: str) -> None:
    caller, allowed = lab.callers[who]
    walk = Walk(lab, caller)
    walk.run()
    seen: set[str] = set()
    addresses = set()
    for where, value in walk.told:
        if where == "__Type.name":  # what was asked for, said again
            continue
        for text in texts(value):
            found = set(MARK.findall(text))
            assert found <= allowed, f"{where} told {text[:200]!r}"
            seen |= found
            if text.startswith(f"{BASE}/"):
                addresses.add(text)
    assert seen == allowed, "the walk did not come to what is the caller's own"
    assert addresses
    for address in sorted(addresses):
        path = address.removeprefix(BASE)
        body = lab.client.get(path)
        assert body.status_code == 200, path
        assert set(MARK.findall(body.content.decode())) <= allowed, path
        assert lab.client.put(path, content=b"another").status_code in (403, 405), path
        assert lab.client.get(path).content == body.content


def test_the_walk_comes_to_every_type(lab: Lab) -> None:
    walk = Walk(lab, THE_OWNER)
    walk.run()
    assert {kind for kind, _ in walk.reached} | {"Mutation"} == set(SCHEMA)


PUBLIC = {
    *("Query", "Mutation", "User", "Entity", "Member", "ServerInfo", "ServerFeature", "__Type", "__Field"),
    *("TypeName", "Connection", "PageInfo", "Tag"),
    *("ParquetHistory", "LogLines", "LogPageInfo", "LogLineEdge", "LogLine"),
}
"""What holds no right of its own: no secret, or only ever reached through its owner. A new one has to be meant."""


def test_only_these_types_are_seen_by_everybody(lab: Lab) -> None:
    """Of every other type there is a node that the owner reaches and a stranger may not see."""
    owner, stranger = Walk(lab, THE_OWNER), lab.callers["stranger"][0]
    owner.run()
    with Request(lab.services, BASE, writes=False, caller=stranger) as request:
        closed = {node.type for node in owner.reached.values() if not SCHEMA[node.type].sees(request, node.row)}
    assert set(SCHEMA) - closed == PUBLIC


def test_every_argument_is_tried(lab: Lab) -> None:
    kinds = (TEXT, TEXTS, JSON, JSONS, WHOLE, FLAG)
    tried = {name for kind in SCHEMA.values() if kind.name != "Mutation" for told in kind.fields.values()
             for name, sort in told.takes.items() if sort in kinds or isinstance(sort, Shape)}  # fmt: skip
    assert tried - set(lab.pool) == {"keys", "pattern", "minStep", "maxStep", "samples", "last"}
