"""A plan as a person reads it before the run."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recipe_lang.checked import CheckedRecipe
from recipe_lang.printer import values_with_places
from runtime import schedules
from runtime.data.views import view_count
from runtime.plan import DataPlan, Plan, StagePlan, Step
from runtime.vocabulary import VOCABULARY

_BARS = " ▁▂▃▄▅▆▇█"


def show_plan(console: Console, plan: Plan) -> None:
    """Print a plan."""
    console.print(_head(plan))
    for stage in plan.stages:
        console.print()
        console.print(_stage(plan, stage))
    if plan.claims:
        console.print()
        console.print(f"claims: {', '.join(str(claim) for claim in plan.claims)}")


def show_values(console: Console, recipe: CheckedRecipe) -> None:
    """Print every value of a recipe and the file and line that it comes from."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("value", "", "comes from"):
        table.add_column(name, overflow="fold")
    block = ""
    for row in values_with_places(recipe, VOCABULARY):
        if row["block"] != block:
            block = row["block"]
            table.add_row(Text(block, "bold"))
        style = "dim" if row["from"] == "default" else ""
        table.add_row(f"{'  ' if block else ''}{row['field']}", row["value"], row["from"], style=style)
    console.print()
    console.print(table)


def call_text(step: Step | None) -> str:
    """Return a step as `name(arg = value, …)`."""
    if step is None:
        return "none"
    args = ", ".join(f"{name} = {_value(value)}" for name, value in step.args.items() if value is not None)
    return f"{step.name}({args})" if args else step.name


def _value(value: Any) -> str:
    match value:
        case Step():
            return call_text(value)
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return f"[{', '.join(_value(item) for item in value)}]"
        case _:
            return str(value)


def _grid(rows: list[tuple[str, RenderableType]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def _head(plan: Plan) -> RenderableType:
    data = plan.data
    total = sum(part.numbers for part in plan.stages[0].parts)
    rows: list[tuple[str, RenderableType]] = [
        ("recipe", Text.assemble((plan.name, "bold cyan"), f"  {plan.hash[:12]}")),
        ("base", f"{call_text(plan.base)}, {total:,} numbers with the head"),
        ("head", ", ".join(call_text(layer) for layer in plan.head)),
        ("images", _images(data)),
        ("classes", _classes(data)),
        ("evaluation", _steps(data.prepare)),
        ("normalize", f"mean {_rounded(data.mean)}, std {_rounded(data.std)}"),
        ("batch", f"{data.batch} images of {data.size} x {data.size}"),
        ("seed", str(plan.seed)),
    ]
    rows += [("param", f"{name} = {value}") for name, value in plan.params.items()]
    return _grid(rows)


def _rounded(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _images(data: DataPlan) -> str:
    sets = [f"{name} {data.images(name):,}" for name in data.counts]
    return ", ".join(sets) + "".join(
        f"; {name} is {call_text(step)}" for name, step in data.sources.items() if name in data.counts
    )


def _classes(data: DataPlan) -> str:
    pairs = [f"{name} ({count:,})" for name, count in zip(data.classes, data.counts["train"], strict=True)]
    shown = ", ".join(pairs[:8])
    return f"{len(pairs)}: {shown}{', …' if len(pairs) > 8 else ''}"


def _steps(steps: tuple[Step, ...]) -> str:
    return ", ".join(call_text(step) for step in steps)


def _stage(plan: Plan, stage: StagePlan) -> RenderableType:
    rows: list[tuple[str, RenderableType]] = [
        ("starts from", stage.starts_from),
        ("frozen prefix", _prefix(plan, stage)),
        ("length", f"{stage.steps:,} steps, {stage.epochs} epochs of {stage.steps_per_epoch}"),
        ("optimizer", call_text(stage.optimizer)),
        ("rate", _rate(stage)),
        ("loss", call_text(stage.loss)),
        ("training", _steps(stage.augment)),
        ("keeps", f"the best by {stage.monitor}" if stage.keep == "best" else "the last weights"),
    ]
    rows += [(name, text) for name, text in _options(stage) if text]
    title = Text.assemble(
        (f"stage {stage.position + 1} of {len(plan.stages)}", "bold cyan"), (f"  {stage.title}", "bold")
    )
    return Group(title, _parts(stage), _grid(rows))


def _prefix(plan: Plan, stage: StagePlan) -> str:
    if not stage.cut:
        return "none"
    parts = " .. ".join(dict.fromkeys((stage.parts[0].name, stage.parts[stage.cut - 1].name)))
    if stage.views is None:
        endless = ", ".join(step.name for step in stage.augment if view_count([step]) is None)
        return f"{parts}: runs on each batch, since {endless} makes new images each time; kept for validation and test"
    views = min(stage.views, stage.epochs)
    images = plan.data.images("train") * views + plan.data.images("valid") + plan.data.images("test")
    each = f"{views} views of each image" if views > 1 else "each image"
    kept = f"{stage.features:,} numbers, at most {_bytes(4 * stage.features * images)}"
    return f"{parts}: runs once on {each} and is kept, {kept}"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"


def _options(stage: StagePlan) -> Iterator[tuple[str, str]]:
    yield "clip", call_text(stage.clip) if stage.clip else ""
    yield "l1", f"{stage.l1:g}" if stage.l1 else ""
    if stage.stop:
        rule = stage.stop
        yield "stops", f"early when {rule.metric} has not improved for {rule.patience:,} steps"


def _parts(stage: StagePlan) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (("part", "left"), ("trains", "right"), ("of", "right"), ("norms", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("rate: start, peak, end")
    for part in stage.parts:
        rates = _rates(stage, part.lr_scale) if part.trained else "frozen"
        style = "" if part.trained else "dim"
        table.add_row(part.name, f"{part.trained:,}", f"{part.numbers:,}", part.norms, rates, style=style)
    return table


def _factors(stage: StagePlan, count: int) -> list[float]:
    factor = schedules.build(
        stage.schedule.name,
        stage.schedule.args,
        total_steps=stage.steps,
        steps_per_epoch=stage.steps_per_epoch,
        warmup_steps=stage.warmup,
    )
    count = min(count, stage.steps)
    return [factor(round(index * (stage.steps - 1) / max(1, count - 1))) for index in range(count)]


def _rates(stage: StagePlan, scale: float) -> str:
    factors = _factors(stage, 1000)
    peak = stage.optimizer.args["lr"] * scale
    return f"{factors[0] * peak:.2g}, {max(factors) * peak:.2g}, {factors[-1] * peak:.2g}"


def _rate(stage: StagePlan) -> str:
    curve = "".join(_BARS[ceil(factor * (len(_BARS) - 1))] for factor in _factors(stage, 40))
    warmup = f", warm-up {stage.warmup:,} steps" if stage.warmup else ""
    return f"{curve}  {call_text(stage.schedule)}{warmup}"
