"""Which rule is a layer's: the one place where its class is looked at.

A rule is for what the `forward` of a class of torch does. A subclass without a `forward` of its own means the
same. One with its own is another layer, whatever `isinstance` says (a layer normalisation over channels is a
`LayerNorm`): the tracer goes into it, and its parameters are followed by what is done with them; where it cannot,
it is refused.
"""

from typing import Any

from torch import fx, nn

from framework.errors import InvalidInput, Problem
from framework.fusion.composite_rules import COMPOSITES
from framework.fusion.layer_rules import ELEMENTWISE, NAMED, NONLINEAR, RULES, WRITERS, Rule, Shape, attention
from framework.fusion.walk import Unknown, Walk
from framework.models.graph import forward_of, is_torchs


def apply_layer(
    walk: Walk,
    node: fx.Node,
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    shape: Shape | None,
) -> Any:
    """What the layer at `node` gives for the units that it takes.

    Raises:
        Unknown: there is no rule for it.
    """
    refusal = why_not(module)
    if refusal:
        raise Unknown(refusal)
    name = str(node.target)
    if isinstance(module, nn.MultiheadAttention):
        walk.written.append(node)
        return attention(walk, name, module, args, kwargs)
    for kind, composite in COMPOSITES.items():
        if isinstance(module, kind):
            return composite(walk, name, module, args, kwargs)
    labels = args[0] if args else next(iter(kwargs.values()))
    if isinstance(module, ELEMENTWISE) or _is_empty(module):
        if isinstance(module, NONLINEAR):
            walk.activated.append(node)
        return labels
    rule = _rule(module)
    if rule is None or shape is None:
        raise Unknown("gives no tensor, which its rule does not follow")
    if isinstance(module, (*WRITERS, nn.Embedding)):
        walk.written.append(node)
    return rule(walk, name, module, labels, shape)


def refuse_layers(module: nn.Module, graph: fx.Graph) -> None:
    """Refuse every layer that has no rule, before anything is run.

    Raises:
        InvalidInput: with the path of each, its class and what to use instead.
    """
    problems = []
    for node in graph.nodes:
        if node.op == "call_module":
            refusal = why_not(module.get_submodule(str(node.target)))
            if refusal:
                problems.append(Problem(f"node {node.name}", f"{described(node, module)} {refusal}"))
    if problems:
        raise InvalidInput(problems, type(module).__name__)


def why_not(module: nn.Module) -> str:
    """Why no rule is for a layer; empty where there is one."""
    kind = forward_of(module)
    if not is_torchs(module) and kind.__name__ not in NAMED:
        base = next((cls.__name__ for cls in type(module).__mro__ if cls.__module__.startswith("torch.nn.m")), "")
        whose = f"a {base} with a forward of its own" if base not in ("", "Module") else "a layer of its own kind"
        return (
            f"is {whose} that cannot be followed into, a layer with no rule for its axes; build it of layers of "
            "torch.nn, with no choice by values of tensors"
        )
    if isinstance(module, nn.RNNBase) and module.proj_size:
        return "projects its states (proj_size), which has no rule; use proj_size=0 and a Linear behind it"
    if isinstance(module, nn.MultiheadAttention) and module.bias_k is not None:
        return "has add_bias_kv, whose rows have no rule; use add_bias_kv=False"
    if isinstance(module, (*ELEMENTWISE, *COMPOSITES, nn.MultiheadAttention)) or _is_empty(module):
        return ""
    if _rule(module) is None:
        return f"is a layer with no rule for its axes; there are rules for {', '.join(known())}"
    return ""


def known() -> list[str]:
    """The layers with a rule, by name."""
    return sorted(
        {kind.__name__.lstrip("_") for kind in (*RULES, *COMPOSITES, nn.MultiheadAttention)} | set(NAMED)
    )


def described(node: fx.Node, module: nn.Module) -> str:
    """A node in words: what it calls, and the module in which it does."""
    if node.op == "call_module":
        return f"(module {node.target}, {type(module.get_submodule(str(node.target))).__name__})"
    stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values() if path]
    inside = f" in module {stack[-1]}" if stack else ""
    return f"({getattr(node.target, '__name__', node.target)}{inside})"


def _rule(module: nn.Module) -> Rule | None:
    named = NAMED.get(forward_of(module).__name__)
    if named is not None and not is_torchs(module):
        return named
    return next((rule for kind, rule in RULES.items() if isinstance(module, kind)), None)


def _is_empty(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and not len(module)
