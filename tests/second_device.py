"""A second device on machines that have none: what a GPU refuses is refused here too.

    with SecondDevice():
        model.to(DEVICE)(inputs.to(DEVICE))

Its tensors lie in main memory and are computed there, but they meet no others: an operation that mixes both is
refused, as CUDA refuses it, but for what CUDA lets pass: numbers without a dimension, and indices on the CPU.
They bear the device type `meta`, the only one beside the CPU that every build of torch can name.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index")


class There(Tensor):
    """A tensor of the second device."""

    held: Tensor

    def __new__(cls, held: Tensor, requires_grad: bool = False) -> Self:
        made: Self = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=DEVICE, requires_grad=requires_grad,
        )  # fmt: skip
        made.held = _held(held)
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"There({self.held!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "There":
        copied = There(self.held.detach().clone(), self.requires_grad)
        if getattr(self, "_is_param", False):
            copied._is_param = True
        memo[id(self)] = copied
        return copied

    @property
    def data(self) -> Tensor:
        return Tensor.data.__get__(self)  # type: ignore[attr-defined, no-any-return]

    @data.setter
    def data(self, value: "There") -> None:  # as `nn.Module.to` puts another precision in a parameter's place
        Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        self.held = value.held

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **_: Any) -> NoReturn:
        raise TypeError("can't convert a tensor of the second device to numpy; copy it with .cpu() first")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> NoReturn:
        raise RuntimeError(f"{func} on a tensor of the second device outside of `SecondDevice()`")


class SecondDevice(TorchDispatchMode):
    """While it is entered, `DEVICE` is a device like any other."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        given = [leaf for leaf in tree_leaves((args, named)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in given if isinstance(tensor, There)]
        device = named.get("device")
        goes_there = bool(there) if device is None else torch.device(device).type == DEVICE.type
        if func is not aten.copy_.default:
            _refuse_two_devices(func, args, given, there)
        if device is not None and goes_there:
            named["device"] = torch.device("cpu")
        done = func(*tree_map(_held, args), **tree_map(_held, named))
        if func._schema.name.endswith("_") and isinstance(args[0], Tensor):
            return args[0]
        return _raised(done, there) if goes_there else done


def _refuse_two_devices(func: Any, args: tuple[Any, ...], given: Iterable[Tensor], there: list[There]) -> None:
    indexes = func._schema.name.removeprefix("aten::") in INDEXING
    others = [
        tensor
        for tensor in given
        if not isinstance(tensor, There)
        and tensor.dim()
        and not (indexes and tensor is not args[0] and not tensor.is_floating_point())
    ]
    if there and others:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in others)
        raise RuntimeError(
            f"Expected all tensors to be on the same device: {func} got {shapes} from the CPU beside "
            f"{len(there)} on the second device"
        )


def _held(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, There) else leaf


def _raised(done: Any, there: list[There]) -> Any:
    known = {id(tensor.held): tensor for tensor in there}

    def raised(leaf: Any) -> Any:
        return known[id(leaf)] if id(leaf) in known else There(leaf) if isinstance(leaf, Tensor) else leaf

    return tree_map(raised, done)
