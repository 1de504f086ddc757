"""Weights that were saved elsewhere: whatever the training script put around their names is found and taken off.

Names may lie behind what wraps a model while it is trained (`module.` of data-parallel training, `_orig_mod.` of
compiled models, in any order and place), behind the attribute that held it (`model.`, `net.`, `backbone.`), or
lack the attribute that holds it here. Whichever part of the file fits the model is taken, if one does.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.models.refusals import in_place_of_numbers
from framework.models.weight_files import state_dicts

WRAPPERS = ("_orig_mod", "module", "_fsdp_wrapped_module", "_forward_module")
MODEL = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
"""Under what training scripts save the model itself."""
COUNTER = "num_batches_tracked"
"""What files of before PyTorch 0.4.1 lack; it only counts."""
SHOWN = 12
"""Names that a message lists of each kind."""


def load_foreign(path: Path, model: nn.Module) -> None:
    """Load the weights in `path` into `model`, in the model's precision: see `weight_files.py` for what is read.

    Raises:
        ArtifactError: the file is missing, or cannot be read without running what it holds.
        InvalidInput: names that are missing or too many, shapes that differ, or numbers that are not finite; the
            model is as it was.
    """
    expected = model.state_dict()
    found = state_dicts(path)
    fits = {place: ways for place, state in found if (ways := _fitted(state, expected))}
    meant = [place for place in fits if place in MODEL]
    if len(meant) == 1:  # beside it may lie its moving average
        fits = {meant[0]: fits[meant[0]]}
    if len(fits) > 1:
        names = ", ".join(f"`{place}`" for place in fits)
        message = f"holds {len(fits)} networks that fit, under {names}; save the one that is meant by itself"
        raise InvalidInput([Problem("names", message)], str(path))
    ways = next(iter(fits.values()), {})
    if not ways:
        place, state = max(found, key=lambda item: _common(item[1], expected))
        raise InvalidInput(_misfits(state, expected, place), f"{path} does not fit {type(model).__name__}")
    if len(ways) > 1:
        names = ", ".join(f"`{prefix}`" for prefix in ways)
        message = f"holds {len(ways)} networks that fit, under {names}; save the one that is meant by itself"
        raise InvalidInput([Problem("names", message)], str(path))
    fitting = next(iter(ways.values()))
    problems = list(_wrong_values(fitting, expected))
    if problems:
        raise InvalidInput(problems, f"{path} does not fit {type(model).__name__}")
    kept = {name: tensor for name, tensor in expected.items() if name not in fitting}
    model.load_state_dict(kept | fitting)


def _fitted(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The tensors by the model's own names, by the prefix that is taken off to find all of them; none if nothing
    does, several where the file holds several networks.
    """
    needed = [name for name in expected if not name.endswith(COUNTER)]
    for named in (dict(state), _unwrapped(state, expected)):
        found: dict[str, dict[str, Tensor]] = {}
        for prefix, added in _prefixes(named, needed):
            tensors = {
                added + name.removeprefix(prefix): tensor
                for name, tensor in named.items()
                if name.startswith(prefix)
            }
            # Behind a prefix the file may hold more than the model, such as a loss with weights; without one not.
            if all(name in tensors for name in needed) and all(name in expected for name in tensors):
                found[prefix] = tensors
            if not prefix and found:
                return found
        if found:
            return found
    return {}


def _unwrapped(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without the wrappers' words, wherever they stand; words that the model itself has are kept."""
    own = {word for name in expected for word in name.split(".")}
    away = [word for word in WRAPPERS if word not in own]
    return {".".join(word for word in name.split(".") if word not in away): t for name, t in state.items()}


def _prefixes(state: Mapping[str, Tensor], needed: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What may stand before the names in the file, and what before the model's: at most one of both."""
    yield "", ""
    if not needed:
        return
    for name in state:
        if name.endswith("." + needed[0]):
            yield name.removesuffix(needed[0]), ""
    held = _beginning(needed)
    while held:
        yield "", held + "."
        held = held.rpartition(".")[0]


def _common(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> int:
    return len(_unwrapped(state, expected).keys() & expected.keys())


def _misfits(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], place: str) -> list[Problem]:
    named = _unwrapped(state, expected)
    key = place or "names"
    if not named.keys() & expected.keys():
        message = (
            f"none of the {len(state)} in the file is one of the model's {len(expected)}; {_shared(state)}, the "
            f"model's: {_shared(expected)}"
        )
        return [Problem(key, message)]
    missing = [name for name in expected if name not in named and not name.endswith(COUNTER)]
    unknown = [name for name in named if name not in expected]
    problems = [Problem(name, "is missing") for name in missing[:SHOWN]]
    problems += [Problem(name, "is no parameter of this model") for name in unknown[:SHOWN]]
    for left, what in ((missing, "are missing"), (unknown, "are no parameters of this model")):
        if len(left) > SHOWN:
            problems.append(Problem(key, f"{len(left) - SHOWN} more {what}"))
    known = {name: tensor for name, tensor in named.items() if name in expected}
    return [*problems, *_wrong_values(known, expected)]


def _wrong_values(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> Iterator[Problem]:
    for name, tensor in tensors.items():
        told = in_place_of_numbers(tensor)
        if told is not None:
            yield Problem(name, told)
        elif tensor.shape != expected[name].shape:
            message = f"has the shape {tuple(tensor.shape)}; allowed: {tuple(expected[name].shape)}"
            yield Problem(name, message)
        elif expected[name].is_floating_point() and not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            yield Problem(name, f"holds {kind} numbers; allowed: floating point")
        elif tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            yield Problem(name, "holds NaN or infinite numbers")


def _beginning(names: Sequence[str]) -> str:
    """The words that all names begin with, joined by dots."""
    words = [name.split(".")[:-1] for name in names]
    alike = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*words, strict=False))
    return ".".join(level[0] for level in alike)


def _shared(names: Mapping[str, Tensor]) -> str:
    """What all names begin with, and the first of them."""
    begin = _beginning(list(names))
    first = next(iter(names), "")
    return f"they all begin with `{begin}.` ({first}, …)" if begin else f"they are {first}, …"
