"""Recipes whose base is an earlier run: `load_recipe(source) -> Recipe`, with the network of that run written out.

`base = run("runs/flowers-3")` becomes `base = gluoncv("resnet18_v2", weights = run("runs/flowers-3"))`: the parent's
own base, with the parent as the source of its weights. That is all that the rest of the program sees of it, so that
parts, sizes and the resolved form are those of the network, and a run that is trained needs the parent no more. Of a
run whose base was an exported graph it is the graph in its folder.

Of the parent its resolved recipe is parsed and its plan read as JSON; neither is believed further than that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue
from recipe_lang.compose.load import load_source
from recipe_lang.compose.merge import files
from recipe_lang.problem import RecipeError
from recipe_lang.source import MAX_BYTES, Source, Span
from recipe_lang.syntax import nodes
from recipe_lang.syntax.parser import parse
from runtime.models.base import Normalization
from runtime.models.catalog import BASES
from runtime.models.weights_sources import EXPORTED
from runtime.runs.own_graph import BASE_GRAPH
from runtime.tasks.catalog import USUAL
from runtime.weights import run_files
from runtime.weights.run_files import not_a_base

PARENTS = ("run", "pack")


def load_recipe(source: Source, *, outside: bool = False) -> nodes.Recipe:
    """Parse a recipe, and read the recipes that it extends and the run that its base is from.

    What is wrong with them stands in `problems`. `outside` is that of `load_source`.
    """
    return with_parent_run(load_source(source, outside=outside))


def refuse_unread(base: CallValue, span: Span | None) -> None:
    """Refuse a run that nobody has looked into, because the recipe names it by way of a parameter.

    Raises:
        RecipeError: the base is one.
    """
    if base.name in PARENTS:
        reason = "a parameter names it: write it where `base =` stands"
        raise RecipeError([each.replace(span=span) for each in not_a_base(base["path"], reason).problems])


def with_parent_run(recipe: nodes.Recipe) -> nodes.Recipe:
    """Return a recipe whose base is an earlier run as one whose base is the network of that run."""
    found = {name: _field(recipe, name) for name in ("base", "head")}
    base = found["base"]
    call = base.value if base is not None else None
    if base is None or not isinstance(call, nodes.Call):
        return recipe
    inner = next((each for each in call.arguments if each.name == "weights"), None)
    weights = inner.value if inner is not None else None
    try:
        if call.name in PARENTS:
            return _replaced(recipe, base, _Parent.of(call), call, found["head"])
        if isinstance(weights, nodes.Call) and weights.name in PARENTS:
            parent = _Parent.of(weights)
            parent.refuse_other(call)
            return _replaced(recipe, base, parent, weights, found["head"])
    except RecipeError as error:
        if call.name not in PARENTS and not isinstance(error, _DoesNotFitError):
            return recipe  # its text says what its network is; that the weights are gone, the plan says
        place = call.span
        told = (problem.replace(span=problem.span or place) for problem in error.problems)
        return replace(recipe, problems=(*recipe.problems, *told))
    return recipe


class _DoesNotFitError(RecipeError):
    """The parent was read, and does not fit."""


@dataclass(frozen=True, slots=True)
class _Parent:
    """What the new recipe takes of its parent's."""

    path: Path
    base: nodes.Call
    head: nodes.Node
    task: str
    stages: tuple[str, ...]
    normalization: Normalization | None  # where it is not that of the base itself

    @classmethod
    def of(cls, call: nodes.Call) -> _Parent:
        written = _argument(call, "path", first=True)
        if not isinstance(written, nodes.Text):
            raise not_a_base(Path(call.name), "write its path there, in quotes")
        path = written.span.source.folder / written.value
        recipe = parse(Source(str(path / run_files.RESOLVED), run_files.read_text(path, run_files.RESOLVED, MAX_BYTES)))
        base, head = (_field(recipe, name) for name in ("base", "head"))
        if recipe.problems or base is None or head is None or not isinstance(base.value, nodes.Call):
            raise not_a_base(path, f"its `{run_files.RESOLVED}` is not that of a run")
        stages = [item.title for item in recipe.items if isinstance(item, nodes.Block) and item.kind == "stage"]
        titles = tuple(title.value for title in stages if isinstance(title, nodes.Text))
        return cls(path, base.value, head.value, _task(recipe), titles, _normalization(path, base.value))

    def refuse_other(self, call: nodes.Call) -> None:
        """Refuse a base that is not the parent's.

        Raises:
            RecipeError: it is another network.
        """
        theirs, ours = _name(self.base), _name(call)
        if ours and theirs != ours:
            problem = not_a_base(self.path, f"it is a run of {theirs}, not of {ours}").problems[0]
            raise _DoesNotFitError(problem)

    def weights(self, call: nodes.Call) -> nodes.Call:
        """Return the call of the parent with its stage as a number, and the normalization that its images had."""
        given = {argument.name or "path": argument for argument in call.arguments}
        stage = given.get("stage")
        if stage is not None and isinstance(stage.value, nodes.Text):
            given["stage"] = replace(stage, value=nodes.Number(self._number(stage.value), None, stage.value.span))
        if self.normalization is not None and not {"mean", "std"} & set(given):
            for name, values in zip(("mean", "std"), self.normalization, strict=True):
                numbers = tuple(nodes.Number(value, None, call.span) for value in values)
                given[name] = nodes.Argument(name, nodes.List(numbers, call.span), call.span, call.name_span)
        return replace(call, arguments=tuple(given.values()))

    def network(self, call: nodes.Call, written: nodes.Node) -> tuple[nodes.Argument, ...]:
        """Return the arguments of its base but the weights; `call` names the parent, `written` is the recipe's base.

        Of an exported graph they are the files in the parent's folder, where the recipe does not name a graph itself.
        """
        if self.base.name != EXPORTED.entry.name:
            return tuple(each for each in self.base.arguments if each.name != "weights")
        if isinstance(written, nodes.Call) and written.name == EXPORTED.entry.name:
            return tuple(each for each in written.arguments if each.name != "weights")
        if not os.path.isfile(self.path / BASE_GRAPH):
            hint = "; `ftr unpack` it, and name the run" if os.path.isfile(self.path) else ""
            raise not_a_base(self.path, f"its base is an exported graph, which is in no folder{hint}")
        place = _argument(call, "path", first=True)
        folder = place.value if isinstance(place, nodes.Text) else ""
        files = {"file": BASE_GRAPH, "params": run_files.PARAMS}
        arguments = [
            nodes.Argument(name, nodes.Text(f"{folder}/{file}", call.span), call.span, call.name_span)
            for name, file in files.items()
        ]
        cut = _argument(self.base, "cut")
        return (*arguments, *([nodes.Argument("cut", cut, call.span, call.name_span)] if cut is not None else []))

    def _number(self, title: nodes.Text) -> int:
        if title.value not in self.stages:
            known = ", ".join(f'"{name}"' for name in self.stages)
            problem = not_a_base(self.path, f'it has no stage "{title.value}", but {known}').problems[0]
            raise _DoesNotFitError(problem.replace(span=title.span))
        return self.stages.index(title.value) + 1


def _replaced(
    recipe: nodes.Recipe, base: nodes.Field, parent: _Parent, call: nodes.Call, head: nodes.Field | None
) -> nodes.Recipe:
    """Return a recipe with the parent's network as its base, and with the parent's head where it is kept."""
    others = parent.network(call, base.value)
    weights = nodes.Argument("weights", parent.weights(call), call.span, call.name_span)
    network = nodes.Call(parent.base.name, (*_at(others, call.span), weights), call.span, call.name_span)
    new = [replace(base, value=network)]
    kept = _argument(call, "head")
    if isinstance(kept, nodes.Name) and kept.value in ("kept", "extended"):
        task = _task(recipe)
        if parent.task != task:
            reason = (
                f"it is a run of `task = {parent.task}`, and `head = {kept.value}` takes its head for `task = {task}`"
            )
            raise _DoesNotFitError(not_a_base(parent.path, f"{reason}; leave `head` out for a new one").problems[0])
        if head is not None and head.value != parent.head:
            raise _DoesNotFitError(
                not_a_base(parent.path, f"`head = {kept.value}` takes its head; the recipe writes another")
                .problems[0]
                .replace(span=head.span)
            )
        new.append(nodes.Field("head", _at(parent.head, call.span), call.span, call.name_span))
    names = {field.name for field in new}
    items = [item for item in recipe.items if not (isinstance(item, nodes.Field) and item.name in names)]
    place = next((i for i, item in enumerate(items) if isinstance(item, nodes.Block)), len(items))
    return replace(recipe, items=(*items[:place], *new, *items[place:]))


def _normalization(path: Path, base: nodes.Call) -> Normalization | None:
    """Return what the parent's plan says that its images were normalized with; None where its base says the same."""
    name = _argument(base, "name", first=True)
    row = BASES.get(base.name, {}).get(name.value if isinstance(name, nodes.Text) else "")
    if row is None and base.name != EXPORTED.entry.name:
        raise not_a_base(path, f"this version of ftr does not know its base, `{base.name}`")
    plan = run_files.read_json(path, run_files.PLAN)
    data = plan.get("data") if isinstance(plan, Mapping) else None
    mean, std = (_three(data.get(each)) if isinstance(data, Mapping) else None for each in ("mean", "std"))
    if mean is None or std is None or min(std) <= 0:
        raise not_a_base(path, f"its `{run_files.PLAN}` does not say how its images were normalized")
    return None if row is not None and (mean, std) == row.normalization else (mean, std)


def _three(plain: Any) -> tuple[float, float, float] | None:
    if not isinstance(plain, list) or len(plain) != 3:
        return None
    if not all(type(each) in (int, float) and abs(each) < _LARGEST for each in plain):  # NaN is not less
        return None
    first, second, third = map(float, plain)
    return first, second, third


_LARGEST = 1e9  # a whole number beyond 1e308 is no float


def _field(recipe: nodes.Recipe, name: str) -> nodes.Field | None:
    """Return a field at the top of a recipe, or of the nearest parent that has it."""
    items = (item for file in files(recipe) for item in file.items)
    return next((item for item in items if isinstance(item, nodes.Field) and item.name == name), None)


def _task(recipe: nodes.Recipe) -> str:
    """Return the task that a recipe writes, else the usual one."""
    field = _field(recipe, "task")
    return field.value.value if field is not None and isinstance(field.value, nodes.Name) else USUAL.name


def _argument(call: nodes.Call, name: str, *, first: bool = False) -> nodes.Node | None:
    named = (each.value for each in call.arguments if each.name == name)
    unnamed = (each.value for each in call.arguments[:1] if first and each.name is None)
    return next(named, next(unnamed, None))


def _name(base: nodes.Call) -> str:
    """Return a base's kind and network; that of an exported graph is not named, and shows in its layers."""
    if base.name == EXPORTED.entry.name:
        return base.name
    name = _argument(base, "name", first=True)
    return f"{base.name} {name.value}" if isinstance(name, nodes.Text) else ""


def _at(node: Any, span: Span) -> Any:
    """Return a node, or several, at another place: everything in it is written there."""
    if isinstance(node, Span):
        return span
    if isinstance(node, tuple):
        return tuple(_at(each, span) for each in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    return replace(node, **{each.name: _at(getattr(node, each.name), span) for each in fields(node)})
