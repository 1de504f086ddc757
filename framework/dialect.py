"""YAML as every file is read here: by the rules of W&B's client (YAML 1.1), a key that stands twice refused.

Knows no definition and no config.
"""

from collections.abc import Hashable
from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"


MOST_VALUES = 5_000_000
"""Values in one file. Aliases of aliases make a text of some hundred characters larger than any memory."""


class UniqueKeyLoader(yaml.CSafeLoader):
    """The safe YAML loader, which refuses a key that stands twice in one mapping, beside a merge (`<<`) too.

    What a merge brings may be overridden, as YAML has it; `<<` itself stands once and takes a list.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        """The data of a document; raises yaml.constructor.ConstructorError on a repeated key."""
        # Merges rewrite the nodes while they are constructed: what was written is there only before.
        self._refuse_repeated(node)
        return super().construct_document(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """The mapping of `node`, whole."""
        return dict(super().construct_mapping(node, deep=True))

    def _refuse_repeated(self, root: yaml.Node) -> None:
        waiting, seen = [root], set()
        while waiting:
            node = waiting.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                waiting += node.value
            elif isinstance(node, yaml.MappingNode):
                self._refuse_twice(node)
                waiting += [part for pair in node.value for part in pair]

    def _refuse_twice(self, node: yaml.MappingNode) -> None:
        keys = set()
        for key_node, _ in node.value:
            key = "<<" if key_node.tag == MERGE else self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused where the mapping is made
            if key in keys:
                problem = f"the key `{key}` stands twice; keep one of them"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            keys.add(key)


def _construct_mapping(loader: UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


UniqueKeyLoader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)


def load(text: str) -> Any:
    """The data that a YAML text holds.

    Raises:
        yaml.YAMLError: it is not YAML, a key stands twice in a mapping, a date is none (2024-13-01), or aliases
            make more of it than `MOST_VALUES` values.
    """
    try:
        data = yaml.load(text, Loader=UniqueKeyLoader)
    except ValueError as error:  # of datetime; the library lets it through
        raise yaml.YAMLError(str(error)) from None
    if "*" in text and _size(data, {}) > MOST_VALUES:
        raise yaml.YAMLError(f"its aliases make more than {MOST_VALUES:,} values of it")
    return data


def _size(data: Any, known: dict[int, int]) -> int:
    """The number of values in `data` with every alias written out; each shared part is counted once."""
    if not isinstance(data, dict | list):
        return 1
    if id(data) not in known:
        known[id(data)] = MOST_VALUES + 1  # of an alias that holds itself
        parts = data.values() if isinstance(data, dict) else data
        known[id(data)] = min(1 + sum(_size(part, known) for part in parts), MOST_VALUES + 1)
    return known[id(data)]
