"""Plans of recipes on made-up facts: no image, no network, no MXNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.source import Source
from runtime.compile.compiler import compile_plan
from runtime.plan.types import DataFacts, NetFacts, Parameter, Plan
from runtime.tasks.classification.targets import ClassFacts
from runtime.vocabulary import VOCABULARY


def net_facts(blocks: int) -> NetFacts:
    """Return facts of a made-up network: each part has a convolution and a norm, and the head is dense."""
    parts: dict[str, tuple[Parameter, ...]] = {}
    for number, name in enumerate(("stem", *(f"block{index}" for index in range(1, blocks + 1)))):
        width = 8 * (number + 1)
        kinds = {"weight": "weight", "gamma": "norm", "beta": "norm", "running_mean": "statistic"}
        parts[f"base.{name}"] = tuple(
            Parameter(f"base.{name}.{index}.{last}", width * (9 if last == "weight" else 1), kind)
            for index, (last, kind) in enumerate(kinds.items())
        )
    parts["head"] = (Parameter("head.1.weight", 640, "weight"), Parameter("head.1.bias", 10, "bias"))
    return NetFacts(parts, {name: 1000 - 100 * place for place, name in enumerate(parts)})


def class_facts(
    classes: tuple[str, ...], counts: Mapping[str, tuple[int, ...]], sides: tuple[int, int] | None = None
) -> DataFacts:
    return DataFacts(ClassFacts(classes, counts), sides)


def facts(train: int = 100, valid: int = 20) -> DataFacts:
    return class_facts(("cat", "dog"), {"train": (train // 2, train - train // 2), "valid": (valid // 2, valid // 2)})


def plan_of(text: str, settings: Sequence[str] = (), data: DataFacts | None = None, blocks: int = 4) -> Plan:
    recipe = check(parse(Source("recipes/r.ftr", text)), VOCABULARY, settings)
    return compile_plan(recipe, data or facts(), net_facts(blocks))
