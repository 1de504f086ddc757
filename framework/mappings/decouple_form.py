"""The decoupled mappings' problem in its normal form, in which all that depends on the samples is done once.

For samples z_i, y_i (rows of Z and Y), λ ≥ 0, the sum over the samples of what `decouple.py` takes the mean of,

    F(A1, A2) = Σ_i ||A1 z_i - y_i||² + ||A2 y_i - z_i||² + λ ||A2 A1 z_i - z_i||                    (1)

has, with the thin singular value decompositions Z = U diag(s) V_zᵀ and Y = W diag(t) V_yᵀ, up to a constant, the
form

    F = ||diag(t) (X1 - G)||² + ||diag(s) (X2 - Gᵀ)||² + λ Σ_i ||diag(s) (X2 X1 - I) u_i||,  G = WᵀU   (2)

in X1 = diag(1/t) V_yᵀ A1 V_z diag(s) and X2 = diag(1/s) V_zᵀ A2 V_y diag(t). X1 = G, X2 = Gᵀ is the least-squares
solution of least norm. Singular values below ε max(N, D) times the largest are left out, so that with few samples
both maps live in the spans of the samples. (Outside of the targets' span (1) has no minimum: a tiny A1 and a huge
A2 would close the cycle at no cost.)

With biases the samples are centred, u_i gets a last component 1/√N, and (2) is the same: X1 and X2 get a column
that it meets, G and I columns of zeros, and X1 in X2 X1 the row (0 … 0 1), which passes the component on.

Shapes: N samples, D source and E target dimensions; J and H the ranks of Z and Y; P = J and Q = H without biases,
P = J + 1 and Q = H + 1 with them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from framework.mappings.latents import Array


class Both(NamedTuple):
    """A value for each of the two maps: X1 (H, P) and X2 (J, Q), or steps or gradients of theirs."""

    one: Array
    two: Array

    def plus(self, factor: float, other: "Both") -> "Both":
        """self + factor · other."""
        return Both(self.one + factor * other.one, self.two + factor * other.two)

    def dot(self, other: "Both") -> float:
        """The scalar product."""
        return float(np.vdot(self.one, other.one) + np.vdot(self.two, other.two))


@dataclass(frozen=True)
class Maps:
    """Both directions: z → A1 z + b1 and y → A2 y + b2."""

    a1: Array  # (E, D)
    b1: Array  # (E,)
    a2: Array  # (D, E)
    b2: Array  # (D,)


class NormalForm:
    """The samples (N, D) and (N, E) as (2) sees them; with `bias`, both maps have one."""

    def __init__(self, z_ND: Array, y_NE: Array, *, bias: bool) -> None:
        self.mean_D, self.mean_E = z_ND.mean(axis=0) * bias, y_NE.mean(axis=0) * bias
        u_NJ, s_J, self.v_JD = _thin(z_ND - self.mean_D)
        w_NH, t_H, self.v_HE = _thin(y_NE - self.mean_E)
        g_HJ = w_NH.T @ u_NJ
        extra, num = int(bias), len(z_ND)
        self.u_NP = np.hstack([u_NJ, np.full((num, extra), num**-0.5)])
        self.s_J1, self.t_H1 = s_J[:, None], t_H[:, None]
        self.start = Both(np.pad(g_HJ, ((0, 0), (0, extra))), np.pad(g_HJ.T, ((0, 0), (0, extra))))
        self.passed_on = np.eye(len(s_J) + extra)[len(s_J) :]
        self.unit_JP = np.eye(len(s_J), len(s_J) + extra)
        self.scale = float(np.sqrt((s_J**2).sum() / num))
        # F at the start without its cycle part: (2) is relative to it.
        squares = (s_J**2).sum() + (t_H**2).sum()
        self.floor = float(squares - ((self.t_H1 * g_HJ) ** 2).sum() - ((self.s_J1 * g_HJ.T) ** 2).sum())

    def lifted(self, x1_HP: Array) -> Array:
        """X1 with the row that passes the constant on, (Q, P)."""
        return np.vstack([x1_HP, self.passed_on])

    def maps(self, x: Both) -> Maps:
        """A1, b1, A2, b2 of a solution of (2); without biases these are 0."""
        ranks = len(self.s_J1), len(self.t_H1)
        a1_ED = self.v_HE.T @ (self.t_H1 * x.one[:, : ranks[0]] / self.s_J1.T) @ self.v_JD
        a2_DE = self.v_JD.T @ (self.s_J1 * x.two[:, : ranks[1]] / self.t_H1.T) @ self.v_HE
        shift_E = self.v_HE.T @ (self.t_H1 * x.one[:, ranks[0] :]).sum(axis=1) * len(self.u_NP) ** -0.5
        shift_D = self.v_JD.T @ (self.s_J1 * x.two[:, ranks[1] :]).sum(axis=1) * len(self.u_NP) ** -0.5
        b1_E = self.mean_E + shift_E - a1_ED @ self.mean_D
        b2_D = self.mean_D + shift_D - a2_DE @ self.mean_E
        return Maps(a1_ED, b1_E, a2_DE, b2_D)


@dataclass(frozen=True)
class Point:
    """What (2) is made of at one X1, X2."""

    lifted: Array  # X1 as (Q, P)
    off: Both  # X1 - G, X2 - Gᵀ
    gap: Array  # X2 X1 - I, (J, P)
    residuals: Array  # (N, J)
    squares: Array  # their squared norms, (N,)
    direct: float  # (2) without its last part


def point_at(form: NormalForm, x: Both) -> Point:
    """The parts of (2) at `x`."""
    lifted_QP = form.lifted(x.one)
    off = x.plus(-1.0, form.start)
    gap_JP = x.two @ lifted_QP - form.unit_JP
    residuals_NJ = form.u_NP @ (form.s_J1 * gap_JP).T
    direct = float(((form.t_H1 * off.one) ** 2).sum() + ((form.s_J1 * off.two) ** 2).sum())
    squares_N = np.einsum("nj,nj->n", residuals_NJ, residuals_NJ)
    return Point(lifted_QP, off, gap_JP, residuals_NJ, squares_N, direct)


def _thin(z_ND: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition without the part that is rounding noise: (N, J), (J,), (J, D)."""
    u_NK, s_K, vt_KD = np.linalg.svd(z_ND, full_matrices=False)
    kept_K = s_K > np.finfo(np.float64).eps * max(z_ND.shape) * s_K.max(initial=0.0)
    return u_NK[:, kept_K], s_K[kept_K], vt_KD[kept_K]
