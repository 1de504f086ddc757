"""Networks as data, told apart by `kind`; each value may differ from task to task. This module knows no tensor."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from framework.config import Config
from framework.errors import Problem
from framework.multitask.networks.parametrisation import Preset, Scale
from framework.multitask.per_task import PerTask, given_per_task, value

Width = Annotated[int, Field(ge=1)]
Layers = Annotated[int, Field(ge=2)]
Activation = Literal["relu", "gelu", "tanh", "identity"]
Parametrisation = Literal[Preset, "explicit"]
StackParametrisation = Literal["standard", "ntk", "mup", "modified_standard", "explicit"]
ExponentList = tuple[float, ...] | None

LISTS: tuple[Literal["a", "b", "c"], ...] = ("a", "b", "c")

ACTIVATION = "What hidden units do: relu, gelu, tanh or identity."
PRESETS = (
    "standard (one rate for all layers), ntk (multipliers of the neural tangent kernel), mup (maximal updates), "
    "modified_standard (as standard, with a rate for each layer)"
)
EXPLICIT = "or explicit (the lists a, b and c)"
ZERO_OUTPUT = "Whether the last layer begins at zero, and with it the outputs (true or false)."
SCALE = (
    "What n is: width, or fan_in, with which the weights of each layer scale by the number of its inputs, and "
    "biases do not scale."
)
A = "With parametrisation=explicit: exponents of the multipliers, a number for each layer with weights; else null."
B = "With parametrisation=explicit: exponents of the initial deviations, a number for each layer; else null."
C = "With parametrisation=explicit: exponents of the learning rates, a number for each layer; else null."
DEPTH = "Number of cores, each with one hidden layer."
BOTTLENECK = "Numbers that one core hands to the next, in neurons; a single core has none."
VARIABLE = "Width of each core's hidden layer, in neurons."
SKIP = "Whether a core's inputs are concatenated to its hidden layer (true or false)."
LINEAR_SKIP = (
    "Size of a linear image of a core's inputs that is concatenated to its hidden layer too, in neurons; null for "
    "none."
)
BOTTLENECK_ACTIVATION = "What bottlenecks do before the next core: relu, gelu, tanh or identity."


class AbcMLP(Config):
    """A fully connected network in abc-parametrisation: weights n^-a w, w drawn with n^-b, rates η n^-c."""

    kind: Literal["abc_mlp"] = Field("abc_mlp", description="Selects the fully connected abc network.")
    width: PerTask[Width] = Field(256, description="Width n of each hidden layer, in neurons.")
    depth: PerTask[Layers] = Field(
        4, description="Number of layers with weights, the last one counted: at least 2."
    )
    activation: PerTask[Activation] = Field("relu", description=ACTIVATION)
    parametrisation: PerTask[Parametrisation] = Field(
        "mup",
        description=f"How weights, multipliers and rates go with n: {PRESETS}, complete_p (mup, with residual "
        f"branches divided by their number), {EXPLICIT}.",
    )
    a: PerTask[ExponentList] = Field(None, description=A)
    b: PerTask[ExponentList] = Field(None, description=B)
    c: PerTask[ExponentList] = Field(None, description=C)
    scale: PerTask[Scale] = Field("width", description=SCALE)
    bias: PerTask[bool] = Field(True, description="Whether layers have biases (true or false).")
    residual: PerTask[bool] = Field(
        False,
        description="Whether each hidden layer but the first is added to what it is given (true or false); "
        "parametrisation=complete_p needs it.",
    )
    zero_output: PerTask[bool] = Field(False, description=ZERO_OUTPUT)

    def conflicts(self) -> Iterator[Problem]:
        """Exponents that do not fit the depth or would not be read, and CompleteP without residuals."""
        for task in whole_tasks(self):
            yield from _exponent_problems(self, task, value(self.depth, task))
            if parametrisation_of(self, task) == "complete_p" and not value(self.residual, task):
                message = f"is false{_of(task)}, with which parametrisation=complete_p has no branches; set true"
                yield Problem("residual", message)


class Stack(Config):
    """Cores with one hidden layer each, with bottlenecks between them; weights begin as torch draws them."""

    kind: Literal["stack"] = Field("stack", description="Selects the stack of linear layers.")
    depth: PerTask[Width] = Field(2, description=DEPTH)
    bottleneck_width: PerTask[Width] = Field(64, description=BOTTLENECK)
    variable_width: PerTask[Width] = Field(128, description=VARIABLE)
    skip: PerTask[bool] = Field(False, description=SKIP)
    linear_skip: PerTask[Width | None] = Field(None, description=LINEAR_SKIP)
    activation: PerTask[Activation] = Field("relu", description=ACTIVATION)
    bottleneck_activation: PerTask[Activation] = Field("identity", description=BOTTLENECK_ACTIVATION)


class AbcStack(Config):
    """A stack of layers in abc-parametrisation, two a core; lists of exponents have a number for each layer.

    By width, the first layer of the stack has variable_width for n, and each other the width of the hidden layer
    or bottleneck that it reads; both are taken to grow together. What skips bring is read by the same weights.
    """

    kind: Literal["abc_stack"] = Field("abc_stack", description="Selects the stack of abc layers.")
    depth: PerTask[Width] = Field(2, description=DEPTH)
    bottleneck_width: PerTask[Width] = Field(64, description=BOTTLENECK)
    variable_width: PerTask[Width] = Field(128, description=VARIABLE)
    skip: PerTask[bool] = Field(False, description=SKIP)
    linear_skip: PerTask[Width | None] = Field(None, description=LINEAR_SKIP)
    activation: PerTask[Activation] = Field("relu", description=ACTIVATION)
    bottleneck_activation: PerTask[Activation] = Field("identity", description=BOTTLENECK_ACTIVATION)
    parametrisation: PerTask[StackParametrisation] = Field(
        "mup", description=f"How weights, multipliers and rates go with n: {PRESETS}, {EXPLICIT}."
    )
    a: PerTask[ExponentList] = Field(None, description=A)
    b: PerTask[ExponentList] = Field(None, description=B)
    c: PerTask[ExponentList] = Field(None, description=C)
    scale: PerTask[Scale] = Field("width", description=SCALE)
    zero_output: PerTask[bool] = Field(False, description=ZERO_OUTPUT)

    def conflicts(self) -> Iterator[Problem]:
        """Exponents that do not fit the depth, or would not be read."""
        for task in whole_tasks(self):
            yield from _exponent_problems(self, task, 2 * value(self.depth, task))


NetworkConfig = Annotated[AbcMLP | Stack | AbcStack, Field(discriminator="kind")]


def whole_tasks(section: Config) -> list[str]:
    """The tasks for which every field has a value; one without a name, where no field differs."""
    mappings = list(given_per_task(section).values())
    if not mappings:
        return [""]
    return [task for task in mappings[0] if all(task in mapping for mapping in mappings)]


def parametrisation_of(section: AbcMLP | AbcStack, task: str) -> Parametrisation:
    """The parametrisation of a task."""
    given: Any = section.parametrisation
    found: Parametrisation = value(given, task)
    return found


def exponents_of(section: AbcMLP | AbcStack, name: Literal["a", "b", "c"], task: str) -> ExponentList:
    """A list of exponents of a task, or None."""
    given: Any = getattr(section, name)
    found: ExponentList = value(given, task)
    return found


def _of(task: str) -> str:
    return f" for {task}" if task else ""


def _exponent_problems(section: AbcMLP | AbcStack, task: str, layers: int) -> Iterator[Problem]:
    explicit = parametrisation_of(section, task) == "explicit"
    for name in LISTS:
        given = exponents_of(section, name, task)
        if not explicit and given is not None:
            message = "would be read by parametrisation=explicit alone; leave it out, or set that"
            yield Problem(name, f"is {list(given)}{_of(task)}, which {message}")
        elif explicit and given is None:
            message = f"is null{_of(task)}; parametrisation=explicit needs a list of {layers} numbers"
            yield Problem(name, message)
        elif explicit and given is not None and len(given) != layers:
            message = f"has {len(given)} numbers{_of(task)}; allowed: {layers}, one for each layer with weights"
            yield Problem(name, message)
