"""A recipe whose parameters change while it trains: what may change, and what was changed, as a recipe.

A population's member is a recipe at any time. What it has trained with so far, and what it goes on with, are written as
a child of the recipe that is searched: augmentation and loss as `from N epochs { … }`, the learning rate as schedules
that follow one another. Members train by just that text, so that what a search finds is an ordinary recipe, and
`ftr run` trains it to the bits that the search had.

A parameter may change that decides steps of `augment`, a loss, or the learning rate of an optimizer, and nothing else:
these leave the network and the arrays of its optimizer what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from recipe_lang.check import vocabulary as v
from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedParam, CheckedRecipe, Value
from recipe_lang.check.checker import check
from recipe_lang.output.formatter import format_text
from recipe_lang.output.resolved import brief_text, inner_header, value_text
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from recipe_lang.syntax.parser import parse
from recipe_lang.words import counted
from runtime.compile.image_steps import augmentation
from runtime.plan.schedules import build
from runtime.plan.types import Plan, StagePlan
from runtime.vocabulary import VOCABULARY
from runtime.workflows.tune.population import Axis, Values

_STAGE = VOCABULARY.blocks["stage"].fields
_CHANGING = ("augment", "loss")
_WRITTEN = {("", "loss"), ("data", "augment")}  # where stages have them from, as block and field
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Interval:
    """Epochs of a stage, by its position, behind which members exchange what they have learned."""

    stage: int
    begin: int
    end: int


def intervals(plan: Plan, epochs: int) -> tuple[Interval, ...]:
    """Return the intervals of so many epochs; the last one of a stage may be shorter."""
    return tuple(
        Interval(stage.position, begin, min(begin + epochs, stage.epochs))
        for stage in plan.stages
        for begin in range(0, stage.epochs, epochs)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """What a search may change of a recipe between intervals.

    `axes` are the parameters that may change, `fixed` says of each other one with a domain why it stays as it is.
    """

    recipe: CheckedRecipe
    plan: Plan
    intervals: tuple[Interval, ...]
    load: Callable[[Sequence[str]], CheckedRecipe]
    params: Mapping[str, CheckedParam]
    axes: Mapping[str, Axis]
    fixed: Mapping[str, str]
    decided: tuple[frozenset[str], ...]  # for each stage: which of `augment`, `loss` and `lr` change
    highest: tuple[float, ...]  # for each stage: the highest learning rate of the domain
    known: dict[tuple[str, ...], CheckedRecipe] = field(default_factory=dict)

    @property
    def defaults(self) -> Values:
        """The values that the recipe has itself."""
        return {name: _plain(self.axes[name], self.params[name]) for name in self.axes}

    def settings(self, values: Values) -> tuple[str, ...]:
        """Return values of parameters as `--set` takes them."""
        return tuple(f"{name} = {self.shown(name, value)}" for name, value in values.items())

    def shown(self, name: str, value: Any) -> str:
        """Return a value of a parameter as a recipe has it."""
        domain = self.params[name].domain
        assert domain is not None
        return str(value) if domain.items else domain.text(value)

    def at(self, values: Values) -> CheckedRecipe:
        """Return the recipe with values of its parameters."""
        settings = self.settings(values)
        if settings not in self.known:
            self.known[settings] = self.load(settings)
        return self.known[settings]

    def text(self, history: Sequence[Values], parent: str, remark: str = "") -> str:
        """Return a child of the recipe, written `parent`, that trains each interval with its values; the last go on."""
        lines = [f"ftr {VOCABULARY.version}", f"extends {_quoted(parent)}", "", *given(self.recipe), *_remarks(remark)]
        for stage in self.plan.stages:
            lines += self._stage(stage, history)
        return format_text(Source("found.ftr", "\n".join(lines) + "\n"))

    def _stage(self, stage: StagePlan, history: Sequence[Values]) -> Iterator[str]:
        own = [(each, history[min(number, len(history) - 1)]) for number, each in enumerate(self.intervals)]
        own = [(each, values) for each, values in own if each.stage == stage.position]
        names = self.decided[stage.position]
        if not names:
            return
        yield f"\nstage {_quoted(stage.title)} {{"
        if "lr" in names:
            yield from self._rates(stage, own)
        before = self._phase(stage, own[0][1], 0)
        yield from self._fields(stage, before)
        begun = {each.begin: values for each, values in own}
        headers = self._headers(stage)
        for epoch in sorted({*begun, *headers} - {0}):
            values = next(values for each, values in own if each.begin <= epoch < each.end)
            phase = self._phase(stage, values, epoch)
            if epoch in headers or self._fields(stage, phase) != self._fields(stage, before):
                header = headers.get(epoch, f"from {counted(epoch, 'epoch')}")
                yield from (f"\n{header} {{", *self._fields(stage, phase), "}")
            before = phase
        yield "}"

    def _headers(self, stage: StagePlan) -> dict[int, str]:
        """Return the blocks that the recipe itself has in a stage, by the epoch with which they begin."""
        inside = _block(self.recipe, stage).inside
        return {
            switch.epochs: inner_header(block, VOCABULARY) for switch, block in zip(stage.switches, inside, strict=True)
        }

    def _phase(self, stage: StagePlan, values: Values, epoch: int) -> tuple[CheckedRecipe, CheckedBlock]:
        """Return the recipe with values, and its stage as it is in an epoch."""
        recipe = self.at(values)
        phases = [*_block(recipe, stage).phases()]
        begun = sum(switch.epochs <= epoch for switch in stage.switches)
        return recipe, phases[begun]

    def _fields(self, stage: StagePlan, phase: tuple[CheckedRecipe, CheckedBlock]) -> list[str]:
        names = [name for name in _CHANGING if name in self.decided[stage.position]]
        return [f"{name} = {_text(*phase, name)}" for name in names]

    def _rates(self, stage: StagePlan, own: Sequence[tuple[Interval, Values]]) -> Iterator[str]:
        """Yield the optimizer with the highest rate, and schedules that make of it the rate of each interval."""
        optimizer: Value = _block(self.recipe, stage).fields["optimizer"]
        rates = [_rate(_block(self.at(values), stage)) for _, values in own]
        if len(own) == 1:
            yield f"optimizer = {_with_rate(optimizer, rates[0])}"
            return
        top = self.highest[stage.position]
        yield f"optimizer = {_with_rate(optimizer, top)}"
        pieces = [
            _piece(stage, each, rate / top, is_last=each is own[-1][0])
            for (each, _), rate in zip(own, rates, strict=True)
        ]
        yield f"schedule = {' then '.join(pieces)}"


def _piece(stage: StagePlan, interval: Interval, peak: float, is_last: bool) -> str:
    """Return the line along which the rate moves in an interval, as a schedule of its own."""
    factor = _factor(stage)
    begin, end = (min(epoch * stage.steps_per_epoch, stage.steps) for epoch in (interval.begin, interval.end))
    warmup = stage.warmup if begin < stage.warmup else 0
    first, last = factor(begin + warmup), factor(end)
    args = {} if is_last else {"for": counted(interval.end - interval.begin, "epoch")}
    args |= {"peak": _short(peak * first)}
    args |= {"final": _short(last / first)} if last != first else {}
    args |= {"warmup": counted(warmup, "step")} if warmup else {}
    name = "constant" if last == first else "linear"
    return f"{name}({', '.join(f'{key} = {value}' for key, value in args.items())})"


def _factor(stage: StagePlan) -> Callable[[int], float]:
    lengths = {"total_steps": int(stage.steps), "steps_per_epoch": stage.steps_per_epoch}
    return build(stage.schedule.name, stage.schedule.args, warmup_steps=int(stage.warmup), **lengths)


def falls(stage: StagePlan, own: Sequence[Interval]) -> bool:
    """Whether a stage's schedule can be written as lines: it warms up in the first interval alone, then only falls."""
    if any(name in stage.schedule.args for name in ("metric", "start")):  # what it will be, training decides
        return False
    ends = [min(each.end * stage.steps_per_epoch, stage.steps) for each in own]
    if stage.warmup >= ends[0]:
        return False
    factor = _factor(stage)
    values = [factor(step) for step in (stage.warmup, *ends)]
    return all(before >= after and before > 0 for before, after in zip(values, values[1:], strict=False))


# --- what a parameter decides ----------------------------------------------------------------


def course_of(
    recipe: CheckedRecipe,
    plan: Plan,
    epochs: int,
    metric: str,
    load: Callable[[Sequence[str]], CheckedRecipe],
    settings: Sequence[str] = (),
) -> Course:
    """Return what a population may change of a recipe; its members exchange after so many epochs each.

    `metric` is what compares them. `load` checks the recipe with settings of parameters besides those of the command
    line, `settings`.
    """
    found = intervals(plan, epochs)
    given = {text.partition("=")[0].strip() for text in settings}
    params = {param.name: param for param in recipe.params if param.domain is not None and param.name not in given}
    axes, fixed, moved = {}, {}, {}
    for name, param in params.items():
        axis = _axis(param, load)
        others = [load([f"{name} = {text}"]) for text in _ends(param)]
        reason = next(filter(None, (_fixed_by(recipe, other, plan, found) for other in others)), "")
        decided = _decided(recipe, others, plan)
        if any(
            "loss" in names and _goes_by_loss(stage, metric) for names, stage in zip(decided, plan.stages, strict=True)
        ):
            reason = reason or "it decides a loss by which epochs or members are compared"
        if reason or not any(decided):
            fixed[name] = reason or "it decides nothing that trains"
        else:
            axes[name], moved[name] = axis, decided
    decided = tuple(frozenset().union(*(each[stage.position] for each in moved.values())) for stage in plan.stages)
    highest = _highest_rates(
        recipe, plan, [name for name, each in moved.items() if any("lr" in names for names in each)], params, load
    )
    return Course(recipe, plan, found, load, params, axes, fixed, decided, highest)


def _goes_by_loss(stage: StagePlan, metric: str) -> bool:
    judges = (stage.monitor, stage.stop.metric if stage.stop else None)
    return "loss" in (metric, *(judge.name for judge in judges if judge))


def _ends(param: CheckedParam) -> tuple[str, ...]:
    domain = param.domain
    assert domain is not None
    return domain.items or (domain.text(domain.low), domain.text(domain.high))


def _axis(param: CheckedParam, load: Callable[[Sequence[str]], CheckedRecipe]) -> Axis:
    domain = param.domain
    assert domain is not None
    if domain.items:
        return Axis(options=domain.items)
    if domain.step is not None:
        count = round((domain.high - domain.low) / domain.step)
        return Axis(options=tuple(domain.text(domain.low + number * domain.step) for number in range(count + 1)))
    ends = (domain.low, domain.high)
    whole = all(float(end).is_integer() for end in ends) and not _takes(
        load, param.name, domain.text(sum(ends) / 2 + 0.25)
    )
    return Axis(*ends, log=domain.is_log, whole=whole)


def _takes(load: Callable[[Sequence[str]], CheckedRecipe], name: str, text: str) -> bool:
    try:
        load([f"{name} = {text}"])
    except RecipeError:
        return False
    return True


def _plain(axis: Axis, param: CheckedParam) -> Any:
    if axis.options:
        return param.value
    number = float(param.value.split()[0].removesuffix("px"))
    return round(number) if axis.whole else number


def _fixed_by(one: CheckedRecipe, other: CheckedRecipe, plan: Plan, found: Sequence[Interval]) -> str:
    """Say why a parameter stays as it is that makes one recipe of another; nothing where it may change."""
    for where, name, before, after in _differences(one, other):
        if name == "optimizer" and _without_rate(before) == _without_rate(after):
            stage = plan.stages[int(where)]
            if falls(stage, [each for each in found if each.stage == stage.position]):
                continue
            return f'the schedule of stage "{stage.title}" is no line that falls from interval to interval'
        place = f'`{name}` of stage "{plan.stages[int(where)].title}"' if where.isdigit() else f"`{name}`"
        return f"it decides {place}, which cannot change while a network trains"
    return ""


def _differences(one: CheckedRecipe, other: CheckedRecipe) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield where two recipes differ, but in augmentation and losses: stage or block, field, values."""
    tables = [("", one.fields, other.fields)]
    position = 0
    for before, after in zip(one.blocks, other.blocks, strict=True):
        where = str(position) if before.kind == "stage" else before.kind
        position += before.kind == "stage"
        tables.append((where, before.fields, after.fields))
        tables += [(where, a.fields, b.fields) for a, b in zip(before.inside, after.inside, strict=True)]
    for where, first, second in tables:
        for name, value in first.items():
            is_written = (where, name) in _WRITTEN or where.isdigit() and name in _CHANGING
            if not is_written and value != second[name]:
                yield where, name, value.value, second[name].value


def _without_rate(call: Any) -> Any:
    return (call.name, {name: arg for name, arg in call.args.items() if name != "lr"})


def _decided(one: CheckedRecipe, others: Sequence[CheckedRecipe], plan: Plan) -> tuple[frozenset[str], ...]:
    """Return for each stage which of its parts that may change do, from one recipe to others."""

    def parts(recipe: CheckedRecipe, stage: StagePlan) -> dict[str, Any]:
        block = _block(recipe, stage)
        told = {name: [_text(recipe, phase, name) for phase in block.phases()] for name in _CHANGING}
        return {**told, "lr": _rate(block)}

    def differ(stage: StagePlan) -> frozenset[str]:
        own = parts(one, stage)
        return frozenset(name for each in others for name, value in parts(each, stage).items() if value != own[name])

    return tuple(differ(stage) for stage in plan.stages)


def _highest_rates(
    recipe: CheckedRecipe,
    plan: Plan,
    names: Sequence[str],
    params: Mapping[str, CheckedParam],
    load: Callable[[Sequence[str]], CheckedRecipe],
) -> tuple[float, ...]:
    """Return the highest learning rate of each stage that the ends of the domains make."""
    corners = [
        load([f"{n} = {text}" for n, text in zip(names, texts, strict=True)])
        for texts in product(*map(_ends, (params[n] for n in names)))
    ]
    return tuple(max(_rate(_block(each, stage)) for each in (recipe, *corners)) for stage in plan.stages)


# --- pieces of recipes -----------------------------------------------------------------------


def _block(recipe: CheckedRecipe, stage: StagePlan) -> CheckedBlock:
    return [*recipe.all("stage")][stage.position]


def _rate(block: CheckedBlock) -> float:
    optimizer: CallValue = block["optimizer"]
    return float(optimizer["lr"])


def _with_rate(optimizer: Value, rate: float) -> str:
    call: CallValue = optimizer.value
    lr = replace(call.args["lr"], value=rate, span=call.args["lr"].span or call.span or optimizer.span)
    changed = replace(optimizer, value=replace(call, args={**call.args, "lr": lr}))
    return brief_text(changed, _STAGE["optimizer"].type, VOCABULARY)


def _text(recipe: CheckedRecipe, phase: CheckedBlock, name: str) -> str:
    """Return the augmentation or the loss in force, as a stage writes it."""
    if name == "augment":
        value = Value(augmentation(recipe, phase))
    else:
        value = recipe.fields["loss"] if phase["loss"] == "shared" else phase.fields["loss"]
    return brief_text(value, _STAGE[name].type, VOCABULARY)


def child(parent: CheckedRecipe, text: str, settings: Sequence[str]) -> CheckedRecipe:
    """Check the text of a child of a recipe, which is taken as it was read, whatever its file says by now."""
    source = Source(str(Path(parent.source.name).parent / "found.ftr"), text)
    return check(replace(parse(source), parent=parent.written), VOCABULARY, settings)


def _short(number: float) -> str:
    return f"{number:.{_DIGITS}g}"


def _quoted(text: str) -> str:
    return value_text(text, v.Text(), VOCABULARY)


def given(recipe: CheckedRecipe) -> list[str]:
    """Return the parameters that were set for a recipe, as a child of it declares them."""
    lines = [f"param {param.name} = {param.value}" for param in recipe.params if param.was_set]
    return [*lines, ""] if lines else []


def _remarks(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.splitlines()] + [""] if text else []
