"""Seeds as functions take them, and the generators that are made of them.

Whatever torch takes for a seed is one: a signed or an unsigned integer of 64 bits. NumPy's generators take no
negative one; a seed stands there for the same 64 bits, so that every seed can be used everywhere.
"""

import numpy as np
import torch

from framework.config import LEAST_SEED, SEEDS_END
from framework.errors import InvalidInput, Problem
from framework.values import is_number

BITS = 2**64
SEEDS = "whole numbers from -2^63 to below 2^64"


def is_seed(value: object) -> bool:
    """Whether this is a seed; true and false are none."""
    return is_number(value, whole=True) and LEAST_SEED <= int(value) < SEEDS_END  # type: ignore[call-overload]


def refuse_no_seed(seed: object, name: str = "seed") -> None:
    """Refuse what is no seed.

    Raises:
        InvalidInput: it is none; `name` is the key.
    """
    if not is_seed(seed):
        raise InvalidInput([Problem(name, f"is {seed!r}; allowed: {SEEDS}")])


def unsigned(seed: int) -> int:
    """The seed as 64 bits without a sign; a sum that has left the seeds comes back among them."""
    return int(seed) % BITS


def torch_numbers(seed: int, name: str = "seed") -> torch.Generator:
    """A generator of torch, on the CPU.

    Raises:
        InvalidInput: the seed is none.
    """
    refuse_no_seed(seed, name)
    return torch.Generator().manual_seed(int(seed))


def torch_stream(seed: int, *place: int) -> torch.Generator:
    """A generator of torch for one of several streams of a seed, on the CPU; streams are independent.

    `place`: which stream, whole numbers from 0.

    Raises:
        InvalidInput: the seed is none.
    """
    refuse_no_seed(seed)
    (state,) = np.random.SeedSequence(unsigned(seed), spawn_key=place).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state))


def numpy_numbers(seed: int, name: str = "seed") -> np.random.Generator:
    """A generator of NumPy.

    Raises:
        InvalidInput: the seed is none.
    """
    refuse_no_seed(seed, name)
    return np.random.default_rng(unsigned(seed))
