"""Recipes that get no advice by themselves, and the advice that recipes get, for tests of advice."""

from __future__ import annotations

from collections.abc import Sequence

from planned import class_facts, net_facts

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem
from recipe_lang.source import Source
from runtime.compile.compiler import compile_plan
from runtime.compile.data_advice import plan_advice
from runtime.compile.memory import MemoryEstimate
from runtime.data.listing import Listing
from runtime.plan.types import DataFacts
from runtime.vocabulary import VOCABULARY


def checked(text: str, settings: Sequence[str] = ()) -> CheckedRecipe:
    return check(parse(Source("recipe.ftr", text)), VOCABULARY, settings)


def given(text: str, settings: Sequence[str] = ()) -> list[str]:
    return [problem.code for problem in checked(text, settings).advice]


def recipe(
    *fields: str,
    data: str = 'train = folder("photos")',
    base: str = 'packaged("efficientnet_lite0")',
    more: str = "",
    train: str = "base.block6 .. head",
) -> str:
    """Return a recipe with a stage for the head and one with these fields, which gets no advice by itself."""
    if not any(field.startswith("optimizer") for field in fields):
        fields = ("optimizer = adamw(lr = 1e-4)", *fields)
    if not any(field.startswith(("monitor", "stop", "keep")) for field in fields):
        fields = (*fields, "keep = last")
    lines = [f"train = {train}", *(() if any(f.startswith("for ") for f in fields) else ("for = 4 epochs",)), *fields]
    stage = "\n".join(f"  {line}" for line in lines)
    return (
        f'ftr 1\ndata {{\n{data}\n}}\nbase = {base}\nstage "head" {{\n  train = head\n  for = 3 epochs\n}}\n'
        f'stage "top" {{\n{stage}\n}}\n{more}'
    )


def facts(
    train: Sequence[int],
    valid: Sequence[int] = (40, 40),
    test: Sequence[int] = (),
    sides: tuple[int, int] | None = None,
) -> DataFacts:
    counts = {"train": tuple(train), "valid": tuple(valid), **({"test": tuple(test)} if test else {})}
    return class_facts(("a", "b", "A b", "a_b", "nan", "c")[: len(train)], counts, sides)


ENOUGH = facts((600, 600))


def advised(
    text: str, data: DataFacts, listings: dict[str, Listing] | None = None, need: MemoryEstimate | None = None
) -> tuple[Problem, ...]:
    found = checked(text)
    return plan_advice(found, compile_plan(found, data, net_facts(4)), listings or {}, need)


def on_data(*fields: str, train: str = "head", data: str = "", more: str = "", facts: DataFacts = ENOUGH) -> list[str]:
    lines = "\n".join(fields if any(f.startswith("for ") for f in fields) else ("for = 3 epochs", *fields))
    text = (
        f'ftr 1\ndata {{\ntrain = folder("photos")\n{data}\n}}\nbase = gluon("resnet18_v2")\n'
        f'stage "one" {{\ntrain = {train}\n{lines}\n}}\n{more}'
    )
    return [problem.code for problem in advised(text, facts)]
