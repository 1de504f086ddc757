"""The state dicts in a file of weights, whoever saved it, read without running anything that the file holds.

    what `torch.save` wrote          a state dict, or a training checkpoint with one somewhere in it
    *.safetensors                    a state dict
    *.index.json, or one shard       a state dict in shards that lie beside the index, of either kind

A checkpoint may hold other objects, such as Lightning's hyperparameters or a scheduler: classes that are not
torch's own are replaced by an inert one, so that no code of theirs runs.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from framework.errors import ArtifactError

SHARD = re.compile(r"^(?P<stem>.+)-\d{5}-of-\d{5}(?P<kind>\.\w+)$")
PREFERRED = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
DEEPEST = 4  # dicts within one another
CANNOT = "cannot be read as weights: it is broken, or holds code, which is not run; save `model.state_dict()`"


class Inert:
    """In place of whatever class a checkpoint names: takes everything, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...

    def __setitem__(self, _: Any, __: Any) -> None: ...


def state_dicts(path: Path) -> list[tuple[str, dict[str, Tensor]]]:
    """Every dict of tensors in the file, with the place where it lies, the likeliest first.

    Raises:
        ArtifactError: the file or a shard is missing, cannot be read without running code, or holds no tensors.
    """
    data = _read(path)
    found = sorted(_within(data, "", 0), key=lambda item: _rank(item[0]))
    if not found:
        holds = f"a {type(data).__name__}" if not isinstance(data, dict) else f"the keys {_some(data)}"
        raise ArtifactError(
            f"{path} holds no state dict (names with tensors), but {holds}; save `model.state_dict()`"
        )
    return found


def _read(path: Path) -> Any:
    if not path.exists():
        raise ArtifactError(f"{path} does not exist")
    shard = SHARD.match(path.name)
    index = path if path.name.endswith(".index.json") else None
    if shard is not None:
        index = path.with_name(f"{shard['stem']}{shard['kind']}.index.json")
        if not index.exists():
            raise ArtifactError(f"{path} is one shard of several; put {index.name} and the others beside it")
    return _read_one(path) if index is None else _read_shards(index)


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{index} is no index of shards: it needs `weight_map`, names with files") from error
    elsewhere = [name for name in names if Path(name).name != name]
    missing = [name for name in names if name not in elsewhere and not index.with_name(name).is_file()]
    if elsewhere or missing:
        problem = f"names files in other folders: {elsewhere}" if elsewhere else f"lacks its shards {missing}"
        raise ArtifactError(f"{index} {problem}; they must lie beside it")
    state: dict[str, Tensor] = {}
    for name in names:
        state |= _read_one(index.with_name(name))
    return state


def _read_one(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # What torch wrote before 1.6 is no zip file: there, other classes cannot be told beforehand.
        is_zip = zipfile.is_zipfile(path)
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path) if is_zip else []
        with torch.serialization.safe_globals([(Inert, name) for name in foreign]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no pickle make the unpickler stumble in any way
        raise ArtifactError(f"{path} {CANNOT}") from error


def _within(data: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Dicts of tensors in dicts; what lies beside tensors, such as a version, is left out."""
    if not isinstance(data, dict) or depth > DEEPEST:
        return
    tensors = {name: value for name, value in data.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors:
        yield place, tensors
    for name, value in data.items():
        yield from _within(value, f"{place}.{name}" if place else str(name), depth + 1)


def _rank(place: str) -> tuple[int, int]:
    """The usual keys first, then what lies least deep; a checkpoint's moving average after its weights."""
    last = place.rpartition(".")[2]
    usual = PREFERRED.index(last) if last in PREFERRED else len(PREFERRED)
    return (0 if not place else 1 + usual, place.count("."))


def _some(names: Any) -> str:
    shown = [str(name) for name in list(names)[:8]]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
