"""Which rank this process is, of how many, and what the ranks of a run tell one another.

All of them come to the same calls in the same order. A process that has not joined others is the first of one, and
each call answers at once. What is told travels as data (numbers, tensors, lists, dicts), never as code.
"""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import Store

WAITS = timedelta(days=7)
"""How long a rank waits for the others. That one has died is noticed elsewhere, within seconds."""
LOST = ("gloo", "ProcessGroup", "NCCL", "Connection closed by peer", "Connection reset by peer")


def join(store: Store, rank: int, size: int) -> None:
    """Join the other ranks, which meet at `store`: through gloo, and NCCL for tensors on NVIDIA GPUs."""
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=WAITS)


def size() -> int:
    """How many ranks there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which one this process is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the rank that has the W&B run, and that writes and logs."""
    return rank() == 0


def gathered(data: Any) -> list[Any]:
    """What each rank gives, in the order of the ranks."""
    if size() == 1:
        return [data]
    mine = _packed(data)
    lengths = [torch.zeros(1, dtype=torch.long) for _ in range(size())]
    dist.all_gather(lengths, torch.tensor([len(mine)]))
    longest = max(int(length) for length in lengths)
    pieces = [torch.zeros(longest, dtype=torch.uint8) for _ in range(size())]
    dist.all_gather(pieces, torch.cat([mine, mine.new_zeros(longest - len(mine))]))
    return [_unpacked(piece[: int(length)]) for piece, length in zip(pieces, lengths, strict=True)]


def of_first(data: Any) -> Any:
    """What the first rank gives; what the others give is not looked at."""
    if size() == 1:
        return data
    mine = _packed(data) if is_first() else torch.zeros(0, dtype=torch.uint8)
    length = torch.tensor([len(mine)])
    dist.broadcast(length, 0)
    packed = mine if is_first() else torch.zeros(int(length), dtype=torch.uint8)
    dist.broadcast(packed, 0)
    return data if is_first() else _unpacked(packed)


def numbers_of_first(*numbers: int) -> tuple[int, ...]:
    """A few whole numbers of the first rank: one short message, which is sent at every step."""
    if size() == 1:
        return numbers
    told = torch.tensor(numbers)
    dist.broadcast(told, 0)
    return tuple(int(number) for number in told)


def file_of_first(path: Path | None, folder: Path) -> Path | None:
    """The file that the first rank has at `path`, elsewhere a copy of it in `folder`; None if it has none."""
    if size() == 1:
        return path
    length = numbers_of_first(path.stat().st_size if is_first() and path is not None else -1)[0]
    if length < 0:
        return None
    if is_first() and path is not None:
        dist.broadcast(_as_tensor(path.read_bytes()), 0)
        return path
    content = torch.zeros(length, dtype=torch.uint8)
    dist.broadcast(content, 0)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / "state"
    copy.write_bytes(content.numpy().tobytes())
    return copy


def wait() -> None:
    """Go on when all ranks have come here."""
    if size() > 1:
        dist.all_reduce(torch.zeros(1))


def is_lost(error: BaseException) -> bool:
    """Whether an error says no more than that another rank is gone."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in LOST)
    )


def _as_tensor(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _packed(data: Any) -> Tensor:
    buffer = io.BytesIO()
    torch.save(data, buffer)
    return _as_tensor(buffer.getvalue())


def _unpacked(packed: Tensor) -> Any:
    return torch.load(io.BytesIO(packed.numpy().tobytes()), map_location="cpu", weights_only=True)
