"""The nearest rows of a bank by cosine, without the matrix of all cosines.

Queries go through the bank a chunk at a time, into one buffer. Of a chunk's cosines the bank is cut into blocks
of `BLOCK` rows: the k blocks with the largest maxima hold the k largest cosines, so that a few thousand numbers
are sorted in place of the whole bank, and the result is the same.

What is left is the products, of which nothing can be left out: for 50,000 x 512 features and k = 200 six
sevenths of the time. A first look in bfloat16 halves them (where the processor has it), but what could still be
among the k nearest by a bound that holds, two thirds more, has to be looked at again, and that takes as long.

Cosines are computed in single precision (in double where the features have it). Of bank rows whose computed
cosines are equal, those that stand first in the bank are nearer.

Shapes: Q queries, N rows of the bank, D features, K neighbours, B queries at a time, M blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.values import is_number

AT_ONCE = 2**24
"""Cosines that are held at a time, where that leaves `FEWEST` queries or more."""
FEWEST, MOST = 32, 512
BLOCK = 16
SHORTEST = 1e-12  # rows that are shorter are zeros, as torch's normalize has it
TIED_ROWS = 64


@dataclass(frozen=True)
class Bank:
    """What neighbours are looked for in: rows of length 1, a multiple of `BLOCK`, of which `size` count."""

    rows: Tensor
    size: int

    def chunks(self, queries_QD: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The cosines (B, K) and positions (B, K) of the k nearest rows, in no order, of B queries at a time."""
        rows = max(FEWEST, min(MOST, AT_ONCE // len(self.rows)))
        near = torch.empty(
            min(rows, len(queries_QD)), len(self.rows), dtype=self.rows.dtype, device=self.rows.device
        )
        for part in torch.split(queries_QD, rows):
            queries_BD = F.normalize(part.to(self.rows), dim=1)
            near_BN = torch.mm(queries_BD, self.rows.t(), out=near[: len(part)])
            near_BN[:, self.size :] = -torch.inf
            yield _largest(near_BN, k, self.size)


def bank_of(rows_ND: Tensor) -> Bank:
    """The rows, made of length 1, as a bank; a row of zeros stays, and has the cosine 0 with all others."""
    precise = rows_ND if rows_ND.dtype in (torch.float32, torch.float64) else rows_ND.float()
    size, width = precise.shape
    rows = precise.new_zeros(size + -size % BLOCK, width)
    torch.div(precise, torch.linalg.vector_norm(precise, dim=1, keepdim=True).clamp_min(SHORTEST), out=rows[:size])
    return Bank(rows, size)


def nearest(queries_QD: Tensor, bank_ND: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The cosines (Q, K) of the k nearest rows of a bank, the nearest first, and their positions (Q, K).

    Of equal cosines the one whose row stands first in the bank comes first.

    Raises:
        InvalidInput: as `refuse_unsearchable`.
    """
    refuse_unsearchable(queries_QD, bank_ND, k)
    found = []
    for cosines_BK, positions_BK in bank_of(bank_ND).chunks(queries_QD, k):
        places_BK, by_place_BK = positions_BK.sort(dim=1)
        sorted_BK, order_BK = cosines_BK.gather(1, by_place_BK).sort(dim=1, descending=True, stable=True)
        found.append((sorted_BK, places_BK.gather(1, order_BK)))
    cosines, positions = zip(*found, strict=True)
    return torch.cat(cosines), torch.cat(positions)


def refuse_unsearchable(queries_QD: Tensor, bank_ND: Tensor, k: int) -> None:
    """Refuse what has no k neighbours.

    Raises:
        InvalidInput: k is no whole number from 1 to the rows of the bank; no queries; queries and bank differ in
            their features or lie on two devices; NaN or infinite values. All problems together.
    """
    problems = []
    if not (is_number(k, whole=True) and 1 <= k <= len(bank_ND)):
        message = f"is {k!r}, and the bank has {len(bank_ND)} rows; allowed: 1 to the rows of the bank"
        problems.append(Problem("k", message))
    for name, rows in (("bank", bank_ND), ("queries", queries_QD)):
        if rows.ndim != 2 or 0 in rows.shape:
            problems.append(Problem(name, f"has the shape {tuple(rows.shape)}; allowed: (rows, features), ≥ 1"))
        elif bad := int((~torch.isfinite(torch.linalg.vector_norm(rows.detach(), dim=1))).sum()):
            message = f"{bad} of {len(rows)} rows hold NaN or infinite values; the model that gave them diverged"
            problems.append(Problem(name, message))
    if not problems and queries_QD.shape[1] != bank_ND.shape[1]:
        message = (
            f"have {queries_QD.shape[1]} features where the bank has {bank_ND.shape[1]}; take one model for both"
        )
        problems.append(Problem("queries", message))
    if queries_QD.device != bank_ND.device:
        problems.append(Problem("queries", f"lie on {queries_QD.device}, the bank on {bank_ND.device}; take one"))
    if problems:
        raise InvalidInput(problems, "neighbours")


def shared(indices_Q: Tensor | None, indices_N: Tensor | None) -> list[Problem]:
    """What is wrong with queries that lie in the bank themselves, where the positions of both are known."""
    if indices_Q is None or indices_N is None:
        return []
    both = int(torch.isin(indices_Q.to(indices_N.device), indices_N).sum())
    message = (
        f"{both} of the {len(indices_Q)} images that are classified lie in the bank, and would be their own "
        "neighbours; leave them out of one"
    )
    return [Problem("bank", message)] if both else []


def _largest(near_BN: Tensor, k: int, size: int) -> tuple[Tensor, Tensor]:
    """The k largest of each row and their places; one more is looked at, to see whether the last one is tied."""
    wanted = min(k + 1, size)
    values_BW, places_BW = _top(near_BN, wanted)
    values_BK, places_BK = values_BW[:, :k], places_BW[:, :k]
    if wanted > k:
        tied = (values_BW[:, k - 1] == values_BW[:, k]).nonzero().flatten()
        for rows in torch.split(tied, TIED_ROWS):
            places_BK[rows] = _first_of_tied(near_BN[rows], values_BK[rows, k - 1], k)
            values_BK[rows] = near_BN[rows].gather(1, places_BK[rows])
    return values_BK, places_BK


def _top(near_BN: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """The largest of each row, in order, and their places, by way of the blocks where that is less work."""
    blocks = near_BN.shape[1] // BLOCK
    if blocks < 4 * wanted:
        values, places = near_BN.topk(wanted, dim=1)
        return values, places
    cut_BGM = near_BN.view(len(near_BN), BLOCK, blocks)  # a block is every M-th row: maxima are of whole vectors
    best_BW = cut_BGM.amax(dim=1).topk(wanted, dim=1, sorted=False).indices
    within = cut_BGM.gather(2, best_BW[:, None].expand(-1, BLOCK, -1)).flatten(1)
    values, at = within.topk(wanted, dim=1)
    return values, at.div(wanted, rounding_mode="floor") * blocks + best_BW.gather(1, at % wanted)


def _first_of_tied(near_RN: Tensor, least_R: Tensor, k: int) -> Tensor:
    """The places (R, K) of all that are larger than the k-th, and of the first that are equal to it."""
    larger_RN, equal_RN = near_RN > least_R[:, None], near_RN == least_R[:, None]
    missing_R = k - larger_RN.sum(dim=1, dtype=torch.int32)
    kept_RN = larger_RN | (equal_RN & (equal_RN.cumsum(dim=1, dtype=torch.int32) <= missing_R[:, None]))
    return kept_RN.nonzero()[:, 1].view(len(near_RN), k)
