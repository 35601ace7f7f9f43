"""A plan as a person reads it before the run."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recipe_lang.checked import CheckedRecipe
from recipe_lang.phrases import printable
from recipe_lang.printer import values_with_places
from runtime import schedules
from runtime.data.views import is_fixed, view_count
from runtime.plan import DataPlan, Plan, StagePlan, Step
from runtime.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from runtime.probe import Probe, StageProbe

_VERSIONS = 4  # what is proposed: enough that few images look alike
_BARS = " ▁▂▃▄▅▆▇█"


def show_plan(console: Console, plan: Plan, probe: Probe | None = None) -> None:
    """Print a plan, and what its run will cost where that was measured."""
    console.print(_head(plan))
    for stage in plan.stages:
        console.print()
        console.print(_stage(plan, stage, probe))
    if plan.claims:
        console.print()
        console.print(f"claims: {', '.join(str(claim) for claim in plan.claims)}")
    if probe is not None:
        console.print()
        console.print(_whole(probe), style="bold")


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
    pairs = [f"{printable(name)} ({count:,})" for name, count in zip(data.classes, data.counts["train"], strict=True)]
    shown = ", ".join(pairs[:8])
    return f"{len(pairs)}: {shown}{', …' if len(pairs) > 8 else ''}"


def _steps(steps: tuple[Step, ...]) -> str:
    return ", ".join(call_text(step) for step in steps)


def _stage(plan: Plan, stage: StagePlan, probe: Probe | None) -> RenderableType:
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
    rows += _cost(stage, probe.stages[stage.position]) if probe is not None else []
    title = Text.assemble(
        (f"stage {stage.position + 1} of {len(plan.stages)}", "bold cyan"), (f"  {stage.title}", "bold")
    )
    return Group(title, _parts(stage), _grid(rows))


def _prefix(plan: Plan, stage: StagePlan) -> str:
    if not stage.cut:
        return "none"
    parts = " .. ".join(dict.fromkeys((stage.parts[0].name, stage.parts[stage.cut - 1].name)))
    if stage.views is None:
        endless = [step.name for step in stage.augment if view_count([step]) is None]
        why = f"{' and '.join(endless)} {'makes' if len(endless) == 1 else 'make'} new images each time"
        kept = "kept for validation and test"
        if stage.epochs > _VERSIONS:
            kept += f" (for training too with `views = {_VERSIONS}` in the stage, or with flips only)"
        return f"{parts}: runs on each batch, since {why}; {kept}"
    views = min(stage.views, stage.epochs)
    images = plan.data.images("train") * views + plan.data.images("valid") + plan.data.images("test")
    width, numbers = (2, "numbers of half precision") if plan.data.features == "half" else (4, "numbers")
    kept = f"{stage.features:,} {numbers}, at most {_bytes(width * stage.features * images)}"
    return f"{parts}: runs once on {_seen(stage, views)} and is kept, {kept}"


def _seen(stage: StagePlan, views: int) -> str:
    if is_fixed(stage.augment, stage.views):
        return f"each of {views} versions of each image" if views > 1 else "one version of each image"
    return f"{views} views of each image" if views > 1 else "each image"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"


def _options(stage: StagePlan) -> Iterator[tuple[str, str]]:
    if is_fixed(stage.augment, stage.views):
        yield "versions", f"{stage.views} of each image, drawn once; each epoch takes the next"
    yield "clip", call_text(stage.clip) if stage.clip else ""
    yield "on divergence", call_text(stage.recovery) if stage.recovery else ""
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


def _cost(stage: StagePlan, cost: StageProbe) -> list[tuple[str, RenderableType]]:
    """Return the rows of what a stage will cost."""
    step = f"{_ms(cost.step_ms)} a batch, {cost.images_per_s:,.0f} images/s"
    once = f"reading {_ms(cost.reading_ms)}, frozen part {_ms(cost.frozen_ms)}"
    if not cost.frozen_ms:
        parts = f"; alone: reading {_ms(cost.reading_ms)}, trained part {_ms(cost.trained_ms)}"
    elif cost.kept:
        parts = f", all in the trained part; what comes before it runs once: {once}"
    else:
        parts = f"; alone: {once}, trained part {_ms(cost.trained_ms)}"
    epoch = _span(cost.first_epoch_s)
    if cost.later_epoch_s is not None:
        epoch = f"the first {epoch}, later ones {_span(cost.later_epoch_s)}"
    most = "at most" if stage.stop else "about"
    return [
        ("step", step + parts),
        ("epoch", f"{epoch}; of these {_span(cost.evaluation_s)} to evaluate"),
        ("takes", f"{most} {_span(cost.total_s)}"),
    ]


def _whole(probe: Probe) -> str:
    most = "at most" if probe.at_most else "about"
    file = f", and {_bytes(round(1e6 * probe.file_mb))} in temporary files" if probe.file_mb >= 1 else ""
    memory = f"about {_bytes(round(1e6 * probe.memory_mb))} of memory{file}"
    return f"the whole run: {most} {_span(probe.total_s)} with a cold cache, {memory}"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def _span(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
