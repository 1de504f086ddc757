"""Zipping: units of two networks are merged across the networks and within each of them.

Of a layer with n units in either network the 2 n units are put into n groups, by how their activations correlate.
With R_g the size of group g, merge and unmerge matrices, (n, 2 n) and (2 n, n), are

    M[g, i] = 1 / R_g  if unit i is in group g, else 0;    U[i, g] = 1  if unit i is in group g, else 0         (1)
    M U = 1;    U M = the projection of 2 n activations onto the means of their groups                          (2)

and a layer between units zipped by (M′, U′) and by (M, U) becomes, with its two halves for the two networks,

    W = M [W_a 0; 0 W_b] U′ = M_a W_a U′_a + M_b W_b U′_b                                                       (3)

(Stoica, Bolya, Bjorner, Ramesh, Hearn and Hoffman, "ZipIt! Merging models from different tasks without training",
2024, section 4.) Inputs are shared, U_a = U_b = 1, and so are outputs, M_a = M_b = 1 / 2: logits are averaged. One
number a unit, as in normalisation, is carried by M. Groups are found greedily: the two that correlate most become
one, n times. What is left of a merger correlates with others as the worse of its two sides, times `alpha`; at most
`beta` n mergers are within one network.

Zipped `until` a layer, the networks go on each for itself behind it (ibid., partial zipping), on U_a z and U_b z:
so networks of different classes become one that tells all of them apart.

Merged units compute the same where they are copies of one another. Correlation does not see scale: units that are
multiples of one another are merged too, and then the mean is the mean of both.

Shapes: n units of a basis, K places of a unit on an axis.
"""

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.bases import Basis, Place
from framework.fusion.copies import holding
from framework.fusion.fusing import with_statistics
from framework.fusion.plans import State
from framework.fusion.precision import as_given, inputs_for, working
from framework.fusion.refusals import refuse_untraceable
from framework.fusion.structure import Structure, structure_of
from framework.fusion.task import refuse_other_names, refuse_values
from framework.fusion.unit_groups import correlations, grouped
from framework.fusion.zipped import Cut, Zipped
from framework.models.batch import Inputs, as_inputs, count
from framework.models.refusals import refuse_others
from framework.values import is_number


def zipit(
    first: nn.Module,
    second: nn.Module,
    inputs: Inputs,
    *,
    until: str | None = None,
    alpha: float = 0.3,
    beta: float = 0.5,
) -> nn.Module:
    """One module from two of one architecture and the same widths, which may have learned other classes.

    Args:
        first: Its units come first where a group has some of both; not changed.
        second: The other network; not changed.
        inputs: A batch (N, …) of the train splits of both, on which units are compared, and from which batch
            normalisation gets its statistics.
        until: The last layer that is zipped, by its name in `named_modules()`. None zips all, and gives a module
            of the architecture of `first`, whose outputs should mean the same in both. Else a `Zipped`: the
            outputs of both, side by side; their numbers may differ.
        alpha: What correlations with units that were merged before are multiplied by, in [0, 1]; with 0 such a
            unit is merged again only where no others are left.
        beta: The most mergers within either network, as a share of n in [0, 1]; with 0 every merger is across.

    Raises:
        InvalidInput: another architecture or other widths, NaN, layers in which units meet one another (heads,
            groups, layer normalisation), no such layer, fewer than two inputs, or `alpha` or `beta` out of range.
    """
    refuse_others({"first": first, "second": second})
    _refuse_options(inputs, alpha=alpha, beta=beta)
    for module in (first, second):
        refuse_untraceable(module)
    refuse_values({"first": first, "second": second})
    refuse_other_names(first.state_dict(), second.state_dict())
    modules = [working(first)]
    modules.append(working(second, modules[0]))
    inputs_N = inputs_for(modules[0], inputs)
    structures = [structure_of(module, inputs_N) for module in modules]
    cut = Cut.of(modules[0], structures[0].probe, until)
    states = [module.state_dict() for module in modules]
    names = cut.owned(states[0])
    _refuse_differences(structures, states, names)
    bases = [basis for basis in structures[0].bases if any(place.name in names for place in basis.places)]
    groups = {
        name: grouped(correlation, alpha, beta)
        for name, correlation in correlations(modules, structures, bases, cut.names, inputs_N).items()
    }
    state = {**states[0], **{name: zipped(name, states, bases, groups) for name in names}}
    merged = holding(modules[0], state, *states)
    if until is not None:
        made: nn.Module = Zipped(cut, merged, modules, bases, groups)
        return with_statistics(made, inputs_N).to(next(first.parameters()).dtype)
    made = with_statistics(merged, inputs_N)
    return made if modules[0] is first else as_given(first, made)


def zipped(name: str, states: Sequence[State], bases: Sequence[Basis], groups: Mapping[str, Tensor]) -> Tensor:
    """Equation (3) for one parameter; `groups` (2 n,) are by the name of their basis."""
    if not states[0][name].is_floating_point():
        return states[0][name]
    device = states[0][name].device
    placed = [(at, groups[basis.name].to(device)) for basis in bases for at in basis.places if at.name == name]
    return _half(states[0][name], placed, 0) + _half(states[1][name].to(states[0][name]), placed, 1)


def _half(tensor: Tensor, placed: Sequence[tuple[Place, Tensor]], number: int) -> Tensor:
    """What equation (3) has of one network. Rows of no basis make outputs, which both share."""
    axes = {place.axis % tensor.ndim: place.role != "reads" for place, _ in placed}
    if not any(axes.values()):
        tensor = tensor / 2
    for axis, makes in axes.items():
        before = tensor.movedim(axis, -1)
        after = before / 2 if makes else before.clone()
        for place, group_u in placed:
            if place.axis % tensor.ndim != axis:
                continue
            own = group_u[number * len(place.positions) :][: len(place.positions)]
            units = before[..., place.positions].movedim(-2, -1)  # (…, K, n)
            if makes:
                units = units / group_u.bincount().to(tensor)[own]
            after[..., place.positions] = torch.zeros_like(units).index_add_(-1, own, units).movedim(-1, -2)
        tensor = after.movedim(-1, axis)
    return tensor


def _refuse_options(inputs: Inputs, *, alpha: float, beta: float) -> None:
    options = {"alpha": alpha, "beta": beta}
    problems = [
        Problem(name, f"is {value!r}; allowed: 0 to 1")
        for name, value in options.items()
        if not (is_number(value) and 0 <= value <= 1)
    ]
    number = count(as_inputs(inputs))
    if number < 2:
        problems.append(Problem("inputs", f"holds {number}; correlations need 2, better hundreds"))
    if problems:
        raise InvalidInput(problems, "zipit")


def _refuse_differences(structures: Sequence[Structure], states: Sequence[State], names: Collection[str]) -> None:
    """Refuse parameters of other shapes among those that are zipped, and units that keep together in blocks."""
    problems = [
        Problem(name, f"is {tuple(states[0][name].shape)} in the first, {tuple(states[1][name].shape)} in the "
                      "second; zipping needs equal widths")
        for name in names
        if states[0][name].shape != states[1][name].shape
    ]  # fmt: skip
    mine, theirs = ([(basis.name, basis.size) for basis in of.bases] for of in structures)
    if mine != theirs and not problems:
        problems.append(Problem("", "the networks connect their hidden units in different ways"))
    problems += [
        Problem(basis.name, "has units in heads or groups, which meet one another; zip `until` a layer before it")
        for basis in structures[0].bases
        if basis.blocks and any(place.name in names for place in basis.places)
    ]
    if problems:
        raise InvalidInput(problems, "zipit")
