"""Everything that a plan says, for a person, and what its run will cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.output.resolved import values_with_places
from recipe_lang.words import counted, printable
from runtime.compile.teacher_advice import is_taught
from runtime.data.transforms.views import at_size, is_fixed, view_count
from runtime.models.availability import of_file
from runtime.models.weights_sources import published_file
from runtime.plan import schedules
from runtime.plan.schedules import SEQUENCE, kind
from runtime.plan.types import Component, DataPlan, Length, PartPlan, Plan, StagePlan, TeacherPlan
from runtime.reporting.console import sparkline
from runtime.system.files import from_here
from runtime.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from runtime.workflows.cost.probe import Probe, StageProbe

_VERSIONS = 4  # what is proposed: enough that few images look alike


def show_plan(console: Console, plan: Plan, probe: Probe | None = None) -> None:
    """Print all of a plan, and what its run will cost where that was measured."""
    console.print(_head(plan))
    for stage in plan.stages:
        console.print()
        console.print(_stage(plan, stage, probe, console.options.ascii_only))
    if plan.claims:
        console.print()
        console.print(claims(plan))
    if probe is not None:
        console.print()
        console.print(whole_cost(probe), style="bold")


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


def claims(plan: Plan) -> str:
    """Return what a recipe claims to reach."""
    return f"claims: {', '.join(str(claim) for claim in plan.claims)}"


def weights_text(base: Component) -> str:
    """Say where a base's weights are published, their licence, and whether they are here; nothing of all others."""
    published = published_file(base)
    if published is None:
        return ""
    found = of_file(published)
    if found.state == "to fetch" and not found.size:
        from runtime.weights.fetched import ask

        found = of_file(ask(published))  # as `plan` has done already: the answer is kept
    return printable(found.text())


def call_text(step: Component | None) -> str:
    """Return a step as `name(arg = value, …)`."""
    if step is None:
        return "none"
    if step.name == SEQUENCE:
        return " then ".join(map(call_text, step.args["schedules"]))
    args = ", ".join(f"{name} = {_value(value)}" for name, value in step.args.items() if value is not None)
    return f"{step.name}({args})" if args else step.name


def _value(value: Any) -> str:
    match value:
        case Component():
            return call_text(value)
        case bool():
            return str(value).lower()
        case Length():
            return value.with_steps
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
    total = plan.stages[0].numbers
    rows: list[tuple[str, RenderableType]] = [
        ("recipe", Text.assemble((plan.name, "bold cyan"), f"  {plan.hash[:12]}")),
        ("base", f"{call_text(plan.base)}, {total:,} parameters with the head"),
        *([("weights", text)] if (text := weights_text(plan.base)) else []),
        ("head", ", ".join(call_text(layer) for layer in plan.head)),
        *([("teacher", teacher_text(plan.teacher))] if plan.teacher else []),
        ("images", _images(data)),
        data.target.row(),
        ("evaluation", steps_text(data.prepare)),
        ("normalize", f"mean {_rounded(data.mean)}, std {_rounded(data.std)}"),
        ("batch", f"{counted(data.batch, 'image')} of {data.size}{left_out(data)}"),
        ("seed", str(plan.seed)),
    ]
    rows += [("param", f"{name} = {value}") for name, value in plan.params.items()]
    return _grid(rows)


def _rounded(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _images(data: DataPlan) -> str:
    sets = [f"{name} {count_text(data, name)}" for name in data.target.counts]
    return ", ".join(sets) + "".join(
        f"; {name} is {call_text(step)}" for name, step in data.sources.items() if name in data.target.counts
    )


def count_text(data: DataPlan, name: str) -> str:
    """Return how many images a set has, and how many tiles these are cut into, if they are."""
    count = data.images(name)
    return f"{count:,}" if data.tiles is None else f"{data.tiles.images[name]:,} in {counted(count, 'tile')}"


def left_out(data: DataPlan) -> str:
    """Say how many training images fill no batch; nothing where all do."""
    lost = data.images("train") % data.batch
    return f"; {counted(lost, 'image' if data.tiles is None else 'tile')} dropped each epoch" if lost else ""


def steps_text(steps: tuple[Component, ...]) -> str:
    """Return steps as a recipe has them: `resize(256), center_crop(224)`."""
    return ", ".join(call_text(step) for step in steps)


def length(stage: StagePlan) -> str:
    """Return how long a stage trains, in the unit that the recipe has."""
    epoch = f"of {counted(stage.steps_per_epoch, 'step')}"
    if stage.steps.is_in_steps:
        return f"{stage.steps.written}, {stage.steps / stage.steps_per_epoch:.3g} epochs {epoch}"
    return f"{stage.steps.written} {epoch}" + (f", {stage.steps:,} in all" if stage.epochs > 1 else "")


def keeps(stage: StagePlan) -> str:
    """Return which weights a stage hands on."""
    if stage.soup:
        return f"the greedy soup of the {stage.soup} best epochs by {stage.monitor}"
    return f"the best by {stage.monitor}" if stage.keep == "best" else "the last weights"


def stops(stage: StagePlan) -> str:
    """Return when a stage ends before its time; nothing where it does not."""
    rule = stage.stop
    return f"early when {rule.metric} has not improved for {rule.patience.with_steps}" if rule else ""


def _stage(plan: Plan, stage: StagePlan, probe: Probe | None, ascii_only: bool) -> RenderableType:
    rows: list[tuple[str, RenderableType]] = [
        ("starts from", stage.starts_from),
        ("frozen prefix", _prefix(plan, stage, _first(stage))),
        ("length", length(stage)),
        ("optimizer", call_text(stage.optimizer)),
        ("learning rate", f"{curve(stage, 40, ascii_only)}  {call_text(stage.schedule)}{schedule_notes(stage)}"),
        ("loss", call_text(stage.loss)),
        ("training", steps_text(stage.augment)),
        ("keeps", keeps(stage)),
    ]
    rows += [(name, text) for name, text in (("in part", _in_part(stage)), *_options(plan, stage)) if text]
    for before, epochs, phase in later_phases(stage):
        texts = list(changes(plan, before, phase))
        if caches_anew(before, phase):
            texts.append(f"frozen prefix {_prefix(plan, phase, len(epochs))}")
        texts += filter(None, [taught_otherwise(plan, before, epochs, phase)])
        rows.append((epochs_text(epochs), "; ".join(texts)))
    rows += _cost(stage, probe.stages[stage.position]) if probe is not None else []
    title = Text.assemble(
        (f"stage {stage.position + 1} of {len(plan.stages)}", "bold cyan"), (f"  {stage.title}", "bold")
    )
    return Group(title, _parts(stage), _grid(rows))


def later_phases(stage: StagePlan) -> list[tuple[StagePlan, range, StagePlan]]:
    """Return the phases of a stage behind the first, each with the one before it and its epochs."""
    return [(before, epochs, phase) for (_, before), (epochs, phase) in pairwise(stage.phases())]


def caches_anew(before: StagePlan, now: StagePlan) -> bool:
    """Whether a phase of a stage caches other features of its training images than the one before it, or none."""
    is_same = before.augment == now.augment or before.views is None
    return bool(now.cut) and not (before.views == now.views and is_same)


def epochs_text(epochs: range) -> str:
    """Return epochs, from 0, as people count them: `epochs 9 to 10`."""
    first, last = epochs.start + 1, epochs.stop
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"


def changes(plan: Plan, before: StagePlan, now: StagePlan) -> Sequence[str]:
    """Return what is other in a phase of a stage than in the one before it, and what that was."""
    texts = (
        (
            ("loss ", call_text(each.loss)),
            ("training ", steps_text(each.augment)),
            ("images of ", (each.size or plan.data.size).short),
            ("", sampling_text(each, plan.data.target.names) or "each image once"),
        )
        for each in (before, now)
    )
    return [f"{what}{new} (before: {old})" for (what, old), (_, new) in zip(*texts, strict=True) if old != new] or [
        "as before"
    ]


def _prefix(plan: Plan, stage: StagePlan, epochs: int) -> str:
    if not stage.cut:
        return "none"
    parts = span(stage.parts[: stage.cut])
    if stage.views is None:
        kept = "cached for validation and test"
        if epochs > _VERSIONS:
            kept += f" (for training too with `views = {_VERSIONS}` in the stage, or with flips only)"
        return f"{parts}: runs on each batch, since {new_each_time(stage)}; {kept}"
    numbers = "half-precision features" if plan.data.features == "half" else "features"
    kept = f"caches {stage.features:,} {numbers} for each, at most {kept_bytes(plan, stage, epochs)}"
    return f"{parts}: runs once on {_seen(stage, epochs)}; {kept}"


def span(parts: Sequence[PartPlan]) -> str:
    """Return neighbours in the network as the recipe names them: `base.stem .. base.block3`."""
    return " .. ".join(dict.fromkeys((parts[0].name, parts[-1].name)))


def new_each_time(stage: StagePlan) -> str:
    """Say which steps make new images in each epoch."""
    endless = [step.name for step in stage.augment if view_count([step]) is None]
    return f"{' and '.join(endless)} {'makes' if len(endless) == 1 else 'make'} new images each time"


def _first(stage: StagePlan) -> int:
    """Return how many epochs a stage is as it begins."""
    return len(stage.phases()[0][0])


def kept_bytes(plan: Plan, stage: StagePlan, epochs: int) -> str:
    """Return how much room a stage's features take that are kept in so many epochs."""
    images = plan.data.images("train") * views(stage, epochs) + plan.data.images("valid") + plan.data.images("test")
    width = 2 if plan.data.features == "half" else 4
    return _bytes(width * stage.features * images)


def views(stage: StagePlan, epochs: int) -> int:
    """Return how many views of an image a stage sees in so many epochs, if it keeps its features."""
    return min(stage.views or 1, epochs)


def _seen(stage: StagePlan, epochs: int) -> str:
    count = views(stage, epochs)
    if is_fixed(stage.augment, stage.views):
        return f"each of {count} versions of each image" if count > 1 else "one version of each image"
    return f"{count} views of each image" if count > 1 else "each image"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"


def teacher_text(teacher: TeacherPlan) -> str:
    """Say which network teaches, and how it answers in the classes or labels of the recipe."""
    path = printable(from_here(teacher.source.args["path"]))
    mapped = "" if teacher.outputs is None else f"; {counted(len(teacher.outputs), 'output')} of it, matched by name"
    warning = f"; {teacher.warning}" if teacher.warning else ""
    base = f"{teacher.base}, {teacher.numbers:,} parameters, {teacher.size.short}"
    return f"{path} (recipe {teacher.recipe[:12]}): {base}, frozen{mapped}{warning}"


def taught_otherwise(plan: Plan, before: StagePlan, epochs: range, now: StagePlan) -> str:
    """Say what a phase of a stage asks of the teacher, where that is not what the one before it does."""
    if teaching(plan, before, 1) == teaching(plan, now, 1) and (before.augment, before.views) == (
        now.augment,
        now.views,
    ):
        return ""
    return teaching(plan, now, len(epochs)) or ("no teacher any more" if is_taught(plan, before) else "")


def teaching(plan: Plan, stage: StagePlan, epochs: int | None = None) -> str:
    """Say what a stage asks of the teacher in so many epochs, by default all, and what that costs.

    Nothing where its loss has none.
    """
    teacher = plan.teacher
    if teacher is None or not is_taught(plan, stage):
        return ""
    own = ""
    size = stage.size or plan.data.size
    if teacher.size != size:
        same_views = at_size(stage.augment, size, teacher.size)
        own = f"{', at its own' if same_views else ', resized to'} {teacher.size.short}"
    if stage.views is None:
        return f"the teacher runs on each batch{own}, since {new_each_time(stage)}"
    return f"the teacher runs once on {_seen(stage, epochs or stage.epochs)}{own}; what it says is cached"


_CLASSES = 8


def sampling_text(stage: StagePlan, names: Sequence[str]) -> str:
    """Return the shares that classes have of an epoch; nothing where it shows each image once."""
    if stage.sampling is None:
        return ""
    pairs = [f"{printable(name)} {share:.1%}" for name, share in zip(names, stage.sampling.shares, strict=True)]
    return f"{stage.sampling.rule} classes: {', '.join(pairs[:_CLASSES])}{', …' if len(pairs) > _CLASSES else ''}"


def _options(plan: Plan, stage: StagePlan) -> Iterator[tuple[str, str]]:
    if is_fixed(stage.augment, stage.views):
        yield "versions", f"{stage.views} of each image, drawn once; each epoch takes the next"
    yield "epoch", sampling_text(stage, plan.data.target.names)
    yield "teacher", teaching(plan, stage, _first(stage))
    yield "size", f"{stage.size.short}; {plan.data.size.short} where it is measured" if stage.size else ""
    yield "l2_sp", f"{stage.l2_sp:g} towards the weights that the stage begins with" if stage.l2_sp else ""
    yield "sam", f"{stage.sam:g}: two gradients for each step" if stage.sam else ""
    yield "stochastic depth", _depth(stage)
    yield "clip", call_text(stage.clip) if stage.clip else ""
    yield (
        "accumulate",
        f"{stage.accumulate} batches for each step, gradients summed" if stage.accumulate > 1 else "",
    )
    yield "average", call_text(stage.average) if stage.average else ""
    yield "on divergence", call_text(stage.recovery) if stage.recovery else ""
    yield "l1", f"{stage.l1:g}" if stage.l1 else ""
    yield "stops", stops(stage)


def _depth(stage: StagePlan) -> str:
    rate = stage.stochastic_depth
    return f"{rate:.4g} at the last block of the base, from 0 at the first" if rate else ""


def _in_part(stage: StagePlan) -> str:
    """Return which parts do not train whole, and why."""
    parts: dict[str, list[str]] = {}
    for part in stage.parts:
        parts.setdefault(stage.left_out(part), []).append(part.name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in parts.items() if why)


def _parts(stage: StagePlan) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (("part", "left"), ("trains", "right"), ("of", "right"), ("norms", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("lr: start, peak, end")
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


def curve(stage: StagePlan, width: int, ascii_only: bool) -> str:
    """Return how the rate moves within a stage, drawn."""
    return sparkline(_factors(stage, width), ascii_only)


def schedule_notes(stage: StagePlan) -> str:
    """Return what is said behind a stage's schedule: its warm-up, and that only a run shows what it goes by."""
    warmup = f", warm-up {stage.warmup.with_steps}" if stage.warmup else ""
    metric = stage.schedule.args.get("metric") if kind(stage.schedule.name).judge else None
    return warmup + (f"; drawn without reductions, which {metric} decides in the run" if metric else "")


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
    epoch = duration(cost.first_epoch_s)
    if cost.later_epoch_s is not None:
        epoch = f"the first {epoch}, later ones {duration(cost.later_epoch_s)}"
    most = "at most" if stage.stop else "about"
    return [
        ("step", step + parts),
        ("epoch", f"{epoch}; of these {duration(cost.evaluation_s)} to evaluate"),
        ("takes", f"{most} {duration(cost.total_s)}"),
    ]


def whole_cost(probe: Probe) -> str:
    """Say how long the whole run takes, and how much memory."""
    most = "at most" if probe.at_most else "about"
    file = f", and {_bytes(round(1e6 * probe.file_mb))} in temporary files" if probe.file_mb >= 1 else ""
    memory = f"about {_bytes(round(1e6 * probe.memory_mb))} of memory{file}"
    return f"the whole run: {most} {duration(probe.total_s)} with a cold cache, {memory}"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds >= 10 else f"{milliseconds:.1f} ms"


def duration(seconds: float) -> str:
    """Return seconds as a person reads them."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
