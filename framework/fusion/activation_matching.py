"""Activation matching: the permutation of hidden units that brings their activations closest in correlation.

Over the same inputs, unit i of the model has activations a_i and unit j of the reference b_j. Of each basis the
permutation is

    P = argmax_P  Σ_i corr(a_i, b_P(i))                                              [1, section 3.2; 2]        (1)

an assignment problem, of each basis by itself: what other bases are matched to does not change the activations. A
basis whose activations cannot be watched is matched by the weights that make it.

[1] Li, Yosinski, Clune, Lipson and Hopcroft, "Convergent learning: do different neural networks learn the same
representations?", 2016.
[2] Tatro, Chen, Das, Melnyk, Sattigeri and Lai, "Optimizing mode connectivity via neuron alignment", 2020.
"""

from framework.fusion.activations import activation_products
from framework.fusion.config import OT, ActivationMatching, Ground
from framework.fusion.plans import Coupled
from framework.fusion.rows import Weights
from framework.fusion.shortcuts import quick_transport_plans
from framework.fusion.task import Task


def activation_matching(task: Task, config: ActivationMatching) -> dict[str, Coupled]:
    """Equation (1) of every basis, by name; the cost of a plan is 1 - corr, per unit.

    Raises:
        InvalidInput: there are no inputs.
    """
    drawn = task.drawn(config.num_samples, config.seed)
    products = activation_products(
        (task.model, task.reference), (task.structure, task.target), drawn, config.activation, "standardised"
    )
    weights = Weights(*task.states, task.structure.bases, task.target.bases, normalise_rows=True)
    return quick_transport_plans(weights, OT(solver="assignment", ground=Ground(metric="cosine")), products)
