"""The data of several tasks, as data: which function, what each task sees of it, and where. Knows no tensor."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import Field

from framework.config import Config, Seed
from framework.errors import Problem
from framework.multitask.per_task import PerTask, per_task_problems, value

Function = Literal[
    "composite_sine",
    "sine",
    "exp",
    "negative_to_positive",
    "positive_to_negative",
    "squared",
    "scaled_squared",
    "cubed",
    "one_kink",
    "scaled_one_kink",
    "absolute",
    "scaled_absolute",
    "fast_sine",
    "scaled_fast_sine_trend",
    "scaled_forrester",
    "scaled_sine",
    "chirp",
    "scaled_chirp",
    "scaled_chirp_trend",
    "pole_sine",
    "scaled_pole_sine_trend",
    "kink_absolute_sine",
    "scaled_levy",
]
OUTPUTS: Mapping[str, int] = MappingProxyType(
    {name: {"composite_sine": 7, "kink_absolute_sine": 3}.get(name, 1) for name in get_args(Function)}
)
"""Number of outputs of each function."""
POLES: Mapping[str, float] = MappingProxyType({"pole_sine": 1.2, "scaled_pole_sine_trend": 1.21952})
"""Where a function has no value, and none that a network could learn beside."""
Generator = Literal["equidistant", "uniform", "noise", "periodic"]
Count = Annotated[int, Field(ge=1)]
Dimension = Annotated[int, Field(ge=0)]
Scale = Annotated[float, Field(ge=0)]
Task = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class FunctionData(Config):
    """Tasks that see different outputs of one function, each on an interval of its own.

    With the defaults, task_0 sees output 0 of the composite sine on [-2, 0] and task_1 the other six on [-2, 2].
    """

    function: Function = Field(
        "composite_sine", description="What is learnt; all functions are of one variable x."
    )
    tasks: tuple[Task, ...] = Field(
        ("task_0", "task_1"),
        min_length=1,
        description="The names of the tasks; mappings per task have these keys.",
    )
    outputs: PerTask[tuple[Dimension, ...]] = Field(
        {"task_0": (0,), "task_1": (1, 2, 3, 4, 5, 6)},
        description="The outputs of the function that a task sees, counted from 0; no two tasks share one.",
    )
    num_train: PerTask[Count] = Field(
        {"task_0": 256, "task_1": 512}, description="Points of a task's train split, in samples."
    )
    low: PerTask[float] = Field(-2.0, description="Least x of a task's train split, in units of x.")
    high: PerTask[float] = Field(
        {"task_0": 0.0, "task_1": 2.0}, description="Largest x of a task's train split, in units of x."
    )
    generator: PerTask[Generator] = Field(
        "equidistant",
        description="How train points lie from low to high: equidistant, both ends among them; uniform, drawn; "
        "noise, normal around the middle with standard deviation 1, wrapped into the interval; or periodic, along "
        "a sine, denser at its turning points.",
    )
    noise: PerTask[Scale] = Field(
        0.2, description="Standard deviation of the noise on the labels of train, in units of the function."
    )
    evaluation_low: PerTask[float] = Field(-2.0, description="Least x of val and test, in units of x.")
    evaluation_high: PerTask[float] = Field(2.0, description="Largest x of val and test, in units of x.")
    num_val: PerTask[Count] = Field(
        2048, description="Points of a task's val split, in samples: equidistant, both ends among them."
    )
    num_test: PerTask[Count] = Field(
        2048, description="Points of a task's test split, in samples: the middles of equally wide cells."
    )
    seed: Seed | None = Field(
        None, description="Seed of drawn points and of the noise; null takes that of the training."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Tasks that are named twice or differ between keys, outputs that there are not, empty intervals."""
        if len(set(self.tasks)) < len(self.tasks):
            yield Problem("tasks", f"is {list(self.tasks)}; allowed: each name once")
        wrong = list(per_task_problems(self, self.tasks))
        yield from wrong
        if wrong:
            return
        yield from self._output_problems()
        for low, high in (("low", "high"), ("evaluation_low", "evaluation_high")):
            for task in self.tasks:
                least, most = value(getattr(self, low), task), value(getattr(self, high), task)
                if not least < most:
                    yield Problem(high, f"is {most:g} for {task}; allowed: above {low} ({least:g})")
                pole = POLES.get(self.function)
                if pole is not None and least <= pole <= most:
                    told = f"is {most:g} for {task}, and {self.function} has a pole at x = {pole:g}"
                    yield Problem(high, f"{told}; allowed: below it")

    def _output_problems(self) -> Iterator[Problem]:
        count = OUTPUTS[self.function]
        owner: dict[int, str] = {}
        for task in self.tasks:
            outputs = value(self.outputs, task)
            if not outputs or len(set(outputs)) < len(outputs):
                yield Problem("outputs", f"is {list(outputs)} for {task}; allowed: one or more, each once")
            beyond = [output for output in outputs if output >= count]
            if beyond:
                told = f"names {', '.join(map(str, beyond))} for {task}, and {self.function} has "
                outputs_there = "one output: 0" if count == 1 else f"the outputs 0 to {count - 1}"
                yield Problem("outputs", told + outputs_there)
            for output in outputs:
                other = owner.setdefault(output, task)
                if other != task:
                    told = f"gives output {output} to {other} and to {task}; allowed: to one task each"
                    yield Problem("outputs", told)
