"""The solver of the decoupled mappings: equation (2) of `decouple_form.py`, for every λ.

The norm of a residual r_i = diag(s) (X2 X1 - I) u_i is smoothed to w_i = √(||r_i||² + ε²), and F minimised by
Newton's method with truncated conjugate gradients [1, algorithm 7.1]. They are preconditioned by a Gauss-Newton
step: w_i is majorised by ||r_i||²/(2 w_i) + w_i/2, as in iteratively reweighted least squares [2], and X2 X1 is
linearised in both maps together. With S = Σ u_i u_iᵀ / w_i and gradients g1 and g2, this step is

    dX1 = -diag(t)⁻² (g1/2 + X2ᵀ diag(s) L),     dX2 = -diag(s)⁻² (g2/2 + diag(s) L X1ᵀ)              (3)
    L K + P L = -diag(s)⁻¹ (g2/2) X1 - diag(s) X2 diag(t)⁻² (g1/2)                                   (4)
    K = (2/λ) S⁻¹ + X1ᵀX1,     P = B Bᵀ,     B = diag(s) X2 diag(t)⁻¹                                (5)

(with biases, X1 here has the row that passes the constant on, and X2ᵀ and B are without the column that meets
it). (4) is a Sylvester equation with symmetric K and P: two eigendecompositions solve it, whatever N. As the
cycle closes, S grows without bound and S⁻¹ vanishes: (4) then is the step for the constraint A2 A1 = I, so that
nothing becomes stiff, as it would if A1 and A2 took turns. A straight line leaves that constraint in second
order, which would allow short steps only; a second step of (3) gives the way back to it, and the line search goes
along the arc [1, §15.6]. The smoothed F never rises. ε starts at a tenth of the median residual and falls by tens
to 10⁻⁶ of the root mean square of ||z_i||.

F is not convex. A large λ is reached from λ = 0 over fixed rungs in between, which finds better minima than
starting there at once and does not depend on which other λ are asked for.

[1] Nocedal, Wright: Numerical Optimization. Springer, 2nd edition, 2006.
[2] Daubechies, DeVore, Fornasier, Güntürk: Iteratively reweighted least squares minimization for sparse recovery.
    Communications on Pure and Applied Mathematics 63(1), 2010.

Shapes: N samples, D source and E target dimensions; J and H the ranks of Z and Y; P = J and Q = H without biases,
P = J + 1 and Q = H + 1 with them.
"""

from collections.abc import Sequence

import numpy as np

from framework.mappings.decouple_form import Both, Maps, NormalForm, Point, point_at
from framework.mappings.latents import Array

TOLERANCE = 1e-10  # relative decrease of F in one step at which a solution is taken
ROUGH = 1e-2  # the same at a larger ε than the last, and on the rungs
MAX_STEPS = 300
MAX_INNER, INNER = 20, 0.3  # conjugate gradients: steps, and reduction of the preconditioned gradient's norm
SMOOTH = 1e-6  # the last ε, relative to the root mean square of ||z_i||
RUNGS = 10.0 ** np.arange(-1.5, 1.01, 0.5)  # of λ, relative to the same


def solve(form: NormalForm, ridges: Sequence[float]) -> list[Maps]:
    """The maps that minimise F, for each λ in `ridges`; a value's solution does not depend on the others."""
    rungs = list(RUNGS * form.scale)
    below = form.start
    solved = {0.0: form.start}
    for ridge in sorted(set(ridges) - {0.0}):
        while rungs and rungs[0] < ridge:
            below = _minimise(form, rungs.pop(0), below, smooth=100 * SMOOTH, tolerance=ROUGH)
        solved[ridge] = _minimise(form, ridge, below, smooth=SMOOTH, tolerance=TOLERANCE)
    return [form.maps(solved[ridge]) for ridge in ridges]


def _minimise(form: NormalForm, ridge: float, x: Both, *, smooth: float, tolerance: float) -> Both:
    """A minimum of (2) near `x`, by the steps of the module's text."""
    point = point_at(form, x)
    if np.sqrt(point.squares.max(initial=0.0)) <= 1e-12 * form.scale:
        return x  # the least-squares solution closes the cycle: nothing is left to gain
    last = smooth * form.scale
    epsilon = max(last, 0.1 * float(np.median(np.sqrt(point.squares))))
    for _ in range(MAX_STEPS):
        model = _Model(form, ridge, x, point, epsilon)
        x, point, value = _search(model, x, point)
        decrease = (model.value - value) / model.value if model.value > 0 else 0.0
        if decrease < (tolerance if epsilon <= last else ROUGH):
            if epsilon <= last:
                return x
            # Where hardly a residual is as small as ε, ε has no effect, and the levels between need no visit.
            smooths = np.quantile(point.squares, 0.05) < (3 * epsilon) ** 2
            epsilon = max(last, 0.1 * epsilon) if smooths else last
    return x


class _Model:
    """F with its gradient, Hessian and Gauss-Newton step, at one point."""

    def __init__(self, form: NormalForm, ridge: float, x: Both, point: Point, epsilon: float) -> None:
        self.form, self.ridge, self.point, self.epsilon = form, ridge, point, epsilon
        self.value, self.w_N = self.value_at(point)
        self.back_JH = x.two[:, : len(form.t_H1)]
        self.scatter_PP = (form.u_NP / self.w_N[:, None]).T @ form.u_NP
        k_PP = (2 / ridge) * np.linalg.inv(self.scatter_PP) + point.lifted.T @ point.lifted
        self.k_P, self.vk_PP = np.linalg.eigh(0.5 * (k_PP + k_PP.T))
        b_JH = form.s_J1 * self.back_JH / form.t_H1.T
        self.p_J, self.vp_JJ = np.linalg.eigh(b_JH @ b_JH.T)
        self.pull_JP = self.majorised_pull(point.gap)
        self.gradient = self.with_direct(point.off, self.pull_JP)

    def value_at(self, point: Point) -> tuple[float, Array]:
        """F and the smoothed norms (N,) elsewhere, at this ε."""
        w_N = np.sqrt(point.squares + self.epsilon**2)
        return self.form.floor + point.direct + self.ridge * float(w_N.sum()), w_N

    def majorised_pull(self, gap_JP: Array) -> Array:
        """The gradient of the majorised cycle part with respect to X2 X1, (J, P), where that is I + `gap_JP`."""
        pull_JP: Array = self.ridge * (self.form.s_J1**2 * gap_JP) @ self.scatter_PP
        return pull_JP

    def through(self, pull_JP: Array) -> Both:
        """A gradient with respect to X2 X1 as one with respect to X1 and X2."""
        return Both(self.back_JH.T @ pull_JP, pull_JP @ self.point.lifted.T)

    def with_direct(self, off: Both, pull_JP: Array) -> Both:
        """`through`, and the gradient of the direct part at X1 - G, X2 - Gᵀ."""
        one, two = self.through(pull_JP)
        return Both(2 * self.form.t_H1**2 * off.one + one, 2 * self.form.s_J1**2 * off.two + two)

    def hessian(self, d: Both) -> Both:
        """The Hessian of F times a direction."""
        form, r_NJ = self.form, self.point.residuals
        gap_JP = d.two @ self.point.lifted + self.back_JH @ d.one
        change_NJ = form.u_NP @ (form.s_J1 * gap_JP).T
        radial_N = np.einsum("nj,nj->n", r_NJ, change_NJ) / self.w_N**2
        turned_NJ = (change_NJ - r_NJ * radial_N[:, None]) / self.w_N[:, None]
        one, two = self.with_direct(d, self.ridge * form.s_J1 * (turned_NJ.T @ form.u_NP))
        rank = len(form.t_H1)
        two[:, :rank] += self.pull_JP @ d.one.T
        return Both(one + d.two[:, :rank].T @ self.pull_JP, two)

    def newton(self, g: Both) -> Both:
        """The step dX1, dX2 that (3) to (5) give for the gradient `g`."""
        s_J1, t_H1, lifted_QP = self.form.s_J1, self.form.t_H1, self.point.lifted
        right_JP = -(g.two / (2 * s_J1)) @ lifted_QP - s_J1 * (self.back_JH @ (g.one / (2 * t_H1**2)))
        rotated_JP = (self.vp_JJ.T @ right_JP @ self.vk_PP) / (self.k_P + self.p_J[:, None])
        one, two = self.through(s_J1 * (self.vp_JJ @ rotated_JP @ self.vk_PP.T))
        return Both(-(0.5 * g.one + one) / t_H1**2, -(0.5 * g.two + two) / s_J1**2)

    def direction(self) -> Both:
        """Preconditioned conjugate gradients on the Newton equation, as far as F bends upwards."""
        rest, step = self.gradient, self.newton(self.gradient)
        search, first = step, -self.gradient.dot(step)
        found, error = Both(np.zeros_like(step.one), np.zeros_like(step.two)), first
        for _ in range(MAX_INNER):
            bent = self.hessian(search)
            bend = search.dot(bent)
            if bend <= 0:
                break
            found = found.plus(error / bend, search)
            rest = rest.plus(error / bend, bent)
            direction = self.newton(rest)
            before, error = error, -rest.dot(direction)
            if error <= INNER**2 * first:
                break
            search = direction.plus(error / before, search)
        return found if self.gradient.dot(found) < 0 else step

    def arc(self, d: Both) -> Both:
        """The way back to where the direction's first order leads, from what d leaves out: dX2 dX1."""
        return self.newton(self.through(self.majorised_pull(d.two[:, : len(d.one)] @ d.one)))


def _search(model: _Model, x: Both, point: Point) -> tuple[Both, Point, float]:
    """A point on the arc that lowers F enough (Armijo), and F there; `x` itself if there is none."""
    direction = model.direction()
    arc, slope = model.arc(direction), model.gradient.dot(direction)
    length = 1.0
    while length > 1e-9:
        moved = x.plus(length, direction).plus(length**2, arc)
        at = point_at(model.form, moved)
        value, _ = model.value_at(at)
        if value <= model.value + 1e-4 * length * slope:
            return moved, at, value
        length *= 0.5
    return x, point, model.value
