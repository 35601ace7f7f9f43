"""A plan on one screen, for a person: what trains, for how long, at which rates, and what is not the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from recipe_lang.check.checked import CheckedBlock, CheckedRecipe
from recipe_lang.output.resolved import changed_values
from recipe_lang.words import counted
from runtime.data.transforms.views import is_fixed
from runtime.models.catalog import name_of
from runtime.plan.schedules import SEQUENCE
from runtime.plan.types import Component, PartPlan, Plan, StagePlan
from runtime.reporting.plan import (
    caches_anew,
    call_text,
    claims,
    count_text,
    curve,
    duration,
    epochs_text,
    keeps,
    kept_bytes,
    left_out,
    length,
    new_each_time,
    sampling_text,
    schedule_notes,
    span,
    stops,
    taught_otherwise,
    teacher_text,
    teaching,
    views,
    weights_text,
    whole_cost,
)
from runtime.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from runtime.workflows.cost.probe import Probe, StageProbe

_CURVE = 16  # columns
_RATES = 3  # that are shown one by one
_SAID = {
    "": ("name", "about", "base", "teacher"),
    "data": ("train", "valid", "test", "size", "batch", "sampling"),
    "stage": ("train", "for", "optimizer", "schedule", "lr_scale", "norm", "stop", "monitor", "keep", "sampling"),
}
"""The fields that other lines say, by the block that they stand in."""


def show_summary(console: Console, plan: Plan, recipe: CheckedRecipe, probe: Probe | None = None) -> None:
    """Print what of a plan fits on a screen, and what its run will cost where that was measured."""
    changed = list(changed_values(recipe, VOCABULARY))
    console.print(Text.assemble((plan.name, "bold cyan"), f"  {plan.hash[:12]}"))
    console.print(_rows(_head(plan, changed)))
    stages = zip(plan.stages, recipe.all("stage"), strict=True)
    for stage, block in stages:
        number = f"stage {stage.position + 1} of {len(plan.stages)}"
        title = Text.assemble((number, "bold cyan"), (f"  {stage.title}", "bold"), f"  {length(stage)}")
        console.print(title)
        rows = _stage(plan, stage, block, changed, console.options.ascii_only)
        cost = _cost(probe.stages[stage.position]) if probe is not None else ""
        console.print(_rows([*rows, ("takes", cost)]))
    if plan.claims:
        console.print(claims(plan))
    if probe is not None:
        console.print(whole_cost(probe), style="bold")
    console.print("all values and where they come from: ftr plan --all", style="dim")


def _rows(rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True, width=8)
    grid.add_column(overflow="fold")
    for name, text in rows:
        if text:
            grid.add_row(f"  {name}", text)
    return grid


_Changed = list[tuple[CheckedBlock | None, str, str]]


def _head(plan: Plan, changed: _Changed) -> Iterator[tuple[str, str]]:
    data = plan.data
    weights = plan.base.args.get("weights", "its own") or "random"
    origin = weights.name if isinstance(weights, Component) else weights
    head = ", their classifier as the head" if "kept" in getattr(weights, "args", {}).values() else ""
    published = f" ({text})" if (text := weights_text(plan.base)) else ""
    yield "base", f"{name_of(plan.base)}, {origin} weights{head}{published}; {plan.stages[0].numbers:,} parameters"
    if isinstance(weights, Component) and "recipe" in weights.args:
        yield "parent", f"{plan.stages[0].starts_from} (recipe {weights.args['recipe'][:12]})"
    if plan.teacher is not None:
        yield "taught", f"by {teacher_text(plan.teacher)}"
    targets = data.target.brief()
    yield "images", ", ".join(f"{n} {count_text(data, n)}{targets if n == 'train' else ''}" for n in data.target.counts)
    yield "from", ", ".join(_source(name, step) for name, step in data.sources.items() if name in data.target.counts)
    steps = counted(data.images("train") // data.batch, "batch", "batches")
    yield "epoch", f"{steps} of {data.batch:,} at {data.size.short}{left_out(data)}"
    kinds = ((of.kind if of else "", name, text) for of, name, text in changed)
    others = [f"{name} = {text}" for kind, name, text in kinds if kind in ("", "data") and name not in _SAID[kind]]
    params = (f"{name} = {value}" for name, value in plan.params.items())
    yield "set", ", ".join([*(f"${param}" for param in params if param not in others), *others])


def _source(name: str, step: Component) -> str:
    source = _brief("split" if step.name in VOCABULARY.families["split"].entries else "source", step)
    return source if name == "train" else f"{name} {source}"


def _stage(
    plan: Plan, stage: StagePlan, block: CheckedBlock, changed: _Changed, ascii_only: bool
) -> Iterator[tuple[str, str]]:
    begin, *later = stage.phases()
    trained = [part for part in stage.parts if part.trained]
    why = f" ({stage.left_out()})" if stage.left_out() else ""
    yield "trains", f"{_parts(trained, stage)}{why}: {stage.trained:,} of {stage.numbers:,}"
    yield "frozen", _frozen(plan, *begin)
    yield "taught", teaching(plan, stage, len(begin[0]))
    how = f"{_brief('optimizer', stage.optimizer)}; {_brief('schedule', stage.schedule)}{schedule_notes(stage)}"
    yield "lr", f"{curve(stage, _CURVE, ascii_only)}  {_rates(stage, trained)}; {how}"
    yield "epoch", sampling_text(stage, plan.data.target.names)
    yield "keeps", "; stops ".join(part for part in (keeps(stage), stops(stage)) if part)
    yield (
        "set",
        ", ".join(f"{name} = {text}" for of, name, text in changed if of is block and name not in _SAID["stage"]),
    )
    before = begin[1]
    for inner, (epochs, phase) in zip(block.inside, later, strict=True):
        texts = [f"{name} = {text}" for of, name, text in changed if of is inner]
        frozen = f"; frozen {_frozen(plan, epochs, phase)}" if caches_anew(before, phase) else ""
        taught = f"; {text}" if (text := taught_otherwise(plan, before, epochs, phase)) else ""
        yield "then", f"{epochs_text(epochs)}: {', '.join(texts) or 'as before'}{frozen}{taught}"
        before = phase


def _parts(parts: list[PartPlan], stage: StagePlan) -> str:
    """Return parts as the recipe names them, neighbours by the first and the last."""
    places = [stage.parts.index(part) for part in parts]
    runs: list[list[PartPlan]] = []
    for place, part in zip(places, parts, strict=True):
        if runs and runs[-1][-1] is stage.parts[place - 1]:
            runs[-1].append(part)
        else:
            runs.append([part])
    return ", ".join(map(span, runs))


def _frozen(plan: Plan, epochs: range, stage: StagePlan) -> str:
    if not stage.cut:
        return "nothing"
    before = span(stage.parts[: stage.cut])
    if stage.views is None:
        return f"{before}: runs on each batch, since {new_each_time(stage)}"
    kind = "versions" if is_fixed(stage.augment, stage.views) else "views"
    count = views(stage, len(epochs))
    each = f"each of {count} {kind}" if count > 1 else "each image"
    return f"{before}: once for {each}, cached: <= {kept_bytes(plan, stage, len(epochs))}"


def _brief(family: str, step: Component) -> str:
    """Return a step with what is not the default, an optimizer without its rate."""
    if step.name == SEQUENCE:
        return " then ".join(_brief(family, each) for each in step.args["schedules"])
    defaults = {arg.name: arg.default for arg in VOCABULARY.families[family].entries[step.name].args}
    given = {name: arg for name, arg in step.args.items() if name != "lr" and arg not in (None, defaults[name])}
    return call_text(Component(step.name, given))


def _rates(stage: StagePlan, trained: list[PartPlan]) -> str:
    """Return the peak rates of the parts; of many different ones the lowest and the highest."""
    rates: dict[float, list[PartPlan]] = {}
    for part in trained:
        rates.setdefault(stage.optimizer.args["lr"] * part.lr_scale, []).append(part)
    if len(rates) == 1:
        return f"{next(iter(rates)):.2g}"
    if len(rates) <= _RATES:
        return ", ".join(f"{rate:.2g} ({_parts(parts, stage)})" for rate, parts in rates.items())
    return f"{min(rates):.2g} to {max(rates):.2g}, by part"


def _cost(cost: StageProbe) -> str:
    epochs = duration(cost.first_epoch_s)
    if cost.later_epoch_s is not None:
        epochs += f", later ones {duration(cost.later_epoch_s)}"
    return f"{duration(cost.total_s)}; the first epoch {epochs}; {cost.images_per_s:,.0f} images/s"
