"""CheckedRecipe to Plan: `compile_plan(recipe, data, net)`.

Takes a checked recipe and facts as plain values, decides everything that the recipe leaves open, and turns all
lengths into steps. Imports no MXNet and touches no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import ceil, floor
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Metric, Quantity, Value
from recipe_lang.output.identity import recipe_hash
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Span
from recipe_lang.words import counted
from runtime.compile.problems import ClaimOfNothing, TooShort, TrainsNothing
from runtime.data.sampling import sampling_shares
from runtime.data.transforms.catalog import TRANSFORMS
from runtime.data.transforms.row import Sides
from runtime.data.transforms.views import is_idle, view_count
from runtime.models.base import Normalization
from runtime.models.catalog import crop_share
from runtime.models.heads import starts_from_means
from runtime.models.weights_sources import TRAINED, source_for
from runtime.plan.schedules import SEQUENCE
from runtime.plan.size import Size
from runtime.plan.stage_rules import RATE_RULES, STOP_RULES
from runtime.plan.types import (
    ClaimPlan,
    Component,
    DataFacts,
    DataPlan,
    Length,
    NetFacts,
    PartPlan,
    Plan,
    SamplingPlan,
    StagePlan,
    StopPlan,
    Switch,
    TargetFacts,
    TeacherPlan,
    TilePlan,
    trained_names,
)
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import PARTS, loss_of
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules.images import image_size, phase_size
from runtime.vocabulary.rules.switches import SwitchMisplaced
from runtime.vocabulary.rules.training import SchedulesTooLong


def compile_plan(
    recipe: CheckedRecipe,
    data: DataFacts,
    net: NetFacts,
    base: Component | None = None,
    teacher: TeacherPlan | None = None,
) -> Plan:
    """Compile a checked recipe with the facts about its data and its network; `base` with what is known of it by now.

    `teacher` is what is known of the network that the recipe names as such.

    Raises:
        RecipeError: the facts show that the recipe cannot work.
    """
    problems: list[Problem] = []
    base = base or component(recipe.fields["base"])
    planned_data = data_plan(recipe, data)
    stages: list[StagePlan] = []
    for position, block in enumerate(recipe.all("stage")):
        before = stages[-1] if stages else None
        stages.append(_Stage(recipe, block, planned_data, data.sides, net, problems).plan(position, before, base))
    for claim in recipe.claims:
        if claim.metric.set in PARTS and not task_of(recipe).images_of(data.target, claim.metric.set):
            problems.append(ClaimOfNothing(span=claim.span, claim=str(claim.metric), part=claim.metric.set))
    if problems:
        raise RecipeError(problems)
    return Plan(
        name=recipe["name"] or Path(recipe.source.name).name.removesuffix(".ftr").removesuffix(".ftrpack"),
        about=recipe["about"] or "",
        hash=recipe_hash(recipe, VOCABULARY),
        task=recipe["task"],
        seed=recipe["seed"],
        params={param.name: param.value for param in recipe.params},
        base=base,
        head=tuple(component(layer) for layer in recipe["head"]),
        data=planned_data,
        stages=tuple(stages),
        claims=tuple(
            ClaimPlan(each.metric, each.operator, each.number, each.span, each.seeds) for each in recipe.claims
        ),
        teacher=teacher,
    )


def component(value: Value) -> Component:
    """Return a checked call as a component of the plan, lengths and nested calls left as they are.

    As in the resolved form, an argument that is newer than its call is left out while it is a default: a plan of before
    has none.
    """
    call: CallValue = value.value
    newer = {arg.name for arg in VOCABULARY.families[call.family].entries[call.name].args if arg.since}
    args = {name: _plain(arg) for name, arg in call.args.items() if name not in newer or arg.span is not None}
    return Component(call.name, args, call.span or value.span)


def _plain(value: Any) -> Any:
    """Return a checked value, or one within it, as plain values: a list or a range as a tuple, a map as pairs."""
    if isinstance(value, Value):
        return component(value) if isinstance(value.value, CallValue) else _plain(value.value)
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def data_plan(recipe: CheckedRecipe, facts: DataFacts, expected: Normalization | None = None) -> DataPlan:
    """Compile the part of the plan that says how images become input.

    `expected` is the mean and the standard deviation that the base's weights expect; None asks their source.
    """
    block = recipe.block("data")
    size, _ = image_size(recipe)
    base = component(recipe.fields["base"])
    prepare, normalize = prepare_steps(block, size, crop_share(base))
    mean, std = expected or source_for(base).normalization(base)
    if normalize is not None:
        mean, std = normalize.args["mean"], normalize.args["std"]
    return DataPlan(
        sources={name: component(block.fields[name]) for name in ("train", "valid", "test") if block[name]},
        take=block["take"],
        size=size,
        batch=block["batch"],
        features=block["features"],
        on_error=block["on_error"],
        prepare=prepare,
        mean=mean,
        std=std,
        target=facts.target,
        tiles=TilePlan.of(block["tiles"], facts.images),
        tta=tuple(component(step) for step in block["tta"]) if block["tta"] else None,
    )


def prepare_steps(
    block: CheckedBlock, size: Size, share: float = 1.0
) -> tuple[tuple[Component, ...], Component | None]:
    """Return the steps for evaluation, how files are read first, and the `normalize` step where one is written.

    Where no geometry is written, it is the usual one: the centre, which is this share of the shorter side.
    """
    written = block["prepare"] or ()
    resize = Component("resize", {"size": Size(*(floor(side / share) for side in size)).plain})
    crop = Component("center_crop", {"size": size.plain})
    steps = [component(value) for value in written]
    reading = [item for item in steps if TRANSFORMS[item.name].reads]
    geometry = [_sized(item, size) for item in steps if TRANSFORMS[item.name].draw]
    normalize = next((item for item in steps if item not in reading and not TRANSFORMS[item.name].draw), None)
    if not geometry:
        geometry = [resize]
    if not any(TRANSFORMS[item.name].crops for item in geometry):
        geometry.append(crop)
    return (*reading, *geometry), normalize


def _sized(item: Component, size: Size) -> Component:
    if "size" in item.args and item.args["size"] is None:
        return Component(item.name, {**item.args, "size": size.plain}, item.span)
    return item


def training_steps(
    augment: tuple[Value, ...] | None, prepare: tuple[Component, ...], size: Size, sides: Sides | None = None
) -> tuple[Component, ...]:
    """Return what is done to a training image, in order, less what does nothing.

    Without augmentation that is `prepare`. An augmentation with a crop of its own replaces the crops of `prepare`, and
    its resizing as well where it brings its own; any other one comes behind it.
    """
    sides = sides if size.height == size.width else None  # steps that do nothing to squares do something then
    steps = [_sized(component(value), size) for value in augment or ()]
    rows = [TRANSFORMS[item.name] for item in steps]
    crops = any(row.crops for row in rows)
    resizes = crops and any(row.resizes for row in rows)
    replaced = {name for name, row in TRANSFORMS.items() if row.crops and crops or row.resizes and resizes}
    before = [item for item in prepare if item.name not in replaced]
    return tuple(_settled([*before, *(item for item in steps if not is_idle(item))], sides))


def _settled(steps: list[Component], sides: Sides | None) -> Iterator[Component]:
    """Yield the steps, and for a random crop that has no choice the fixed step that it is: it can be kept."""
    for item in steps:
        fixed = TRANSFORMS[item.name].fixed(item.args, sides) if sides else None
        if fixed is not None:
            item = Component(fixed, {"size": item.args["size"]}, item.span)
        row = TRANSFORMS[item.name]
        if row.crops or row.resizes and sides:
            sides = item.args["size"], item.args["size"]
        yield item


def needs_sides(recipe: CheckedRecipe) -> bool:
    """Whether a crop may have no choice if all images are square: then their sizes matter."""
    size, _ = image_size(recipe)
    prepare, _ = prepare_steps(recipe.block("data"), size, crop_share(component(recipe.fields["base"])))

    def steps(phase: CheckedBlock, sides: Sides | None) -> tuple[Component, ...]:
        return phase_steps(recipe, phase, prepare, size, sides)

    return any(steps(phase, None) != steps(phase, (1, 1)) for phase in recipe.phases("stage"))


def phase_steps(
    recipe: CheckedRecipe, phase: CheckedBlock, prepare: tuple[Component, ...], size: Size, sides: Sides | None
) -> tuple[Component, ...]:
    """Return what is done to training images in a stage, or a phase of it; `prepare` and `size` are those of the data.

    Where its images have another size, all that `prepare` says of sizes changes with it.
    """
    own = phase_size(recipe, phase)
    if own != size:
        prepare = tuple(_resized(step, size, own) for step in prepare)
    return training_steps(augmentation(recipe, phase), prepare, own, sides)


def _resized(step: Component, size: Size, own: Size) -> Component:
    given = step.args.get("size")
    if given is None:
        return step
    if TRANSFORMS[step.name].crops:  # all crops are of the size of the data
        return replace(step, args={**step.args, "size": own.plain})
    factor = max(new / old for new, old in zip(own, size, strict=True))
    scaled = Size(*(ceil(side * factor) for side in Size.of(given)))
    return replace(step, args={**step.args, "size": scaled.plain})


def augmentation(recipe: CheckedRecipe, stage: CheckedBlock) -> tuple[Value, ...] | None:
    """Return what a stage writes of its augmentation, or the recipe for all stages."""
    own, shared = stage["augment"], recipe.block("data")["augment"]
    chosen: tuple[Value, ...] | None = shared if own == "shared" else own
    return chosen


def stage_loss(recipe: CheckedRecipe, stage: CheckedBlock, target: TargetFacts) -> Component:
    """Return the loss of a stage, with what its arguments leave to the targets of training."""
    loss = written_loss(recipe, stage)
    with _at(loss.span):
        return replace(loss, args=loss_of(task_of(recipe), loss).settled(loss.args, target))


def stage_sampling(recipe: CheckedRecipe, stage: CheckedBlock, target: TargetFacts) -> SamplingPlan | None:
    """Return how a stage draws its training images; None where an epoch shows each once."""
    block = recipe.block("data") if stage["sampling"] == "shared" else stage
    if block["sampling"] is None:
        return None
    rule = component(block.fields["sampling"])
    with _at(rule.span):
        return SamplingPlan(rule.name, sampling_shares(rule.name, rule.args, target.names, target.counts["train"]))


@contextmanager
def _at(span: Span | None) -> Iterator[None]:
    """Place the problems that are raised inside."""
    try:
        yield
    except RecipeError as error:
        raise RecipeError([problem.replace(span=span) for problem in error.problems]) from error


def written_loss(recipe: CheckedRecipe, stage: CheckedBlock) -> Component:
    """Return the loss of a stage as the recipe has it: its own, or that of all stages."""
    return component(recipe.fields["loss"] if stage["loss"] == "shared" else stage.fields["loss"])


class _Stage:
    """Compiles one stage."""

    def __init__(
        self,
        recipe: CheckedRecipe,
        block: CheckedBlock,
        data: DataPlan,
        sides: Sides | None,
        net: NetFacts,
        problems: list[Problem],
    ) -> None:
        self.recipe = recipe
        self.block = block
        self.data = data
        self.sides = sides
        self.net = net
        self.problems = problems
        self.per_epoch = max(1, data.images("train") // (data.batch * block["accumulate"]))
        self.total = Length(block["for"].steps(self.per_epoch), str(block["for"]))

    def steps(self, length: Quantity, whole: Length | None = None) -> Length:
        return Length(length.steps(self.per_epoch, whole or self.total), str(length))

    def plan(self, position: int, before: StagePlan | None, base: Component) -> StagePlan:
        block = self.block
        parts = self._parts()
        schedule, warmup = self._schedule()
        stop = self._stop()
        monitor, keep = self._monitor(stop)
        cut = next((index for index, part in enumerate(parts) if part.trained), len(parts))
        begin, *switches = self._phases()
        return StagePlan(
            position=position,
            title=block.title,
            starts_from=_origin(before, base, component(self.recipe["head"][-1])),
            train=block["train"],
            norm_frozen=block["norm"] == "frozen",
            parts=parts,
            cut=cut,
            features=self.net.inputs[parts[cut].name] if 0 < cut < len(parts) else 0,
            views=begin.views,
            steps=self.total,
            steps_per_epoch=self.per_epoch,
            epochs=ceil(self.total / self.per_epoch),
            optimizer=component(block.fields["optimizer"]),
            schedule=schedule,
            warmup=warmup,
            loss=begin.loss,
            clip=component(block.fields["clip"]) if block["clip"] else None,
            l1=block["l1"],
            recovery=component(block.fields["on_divergence"]) if block["on_divergence"] != "stop" else None,
            augment=begin.augment,
            stop=stop,
            monitor=monitor,
            keep=keep,
            accumulate=block["accumulate"],
            shards=block["shards"],
            average=self._average(),
            l2_sp=block["l2_sp"],
            sam=block["sam"],
            soup=block["keep"]["count"] if isinstance(block["keep"], CallValue) else 0,
            sampling=begin.sampling,
            size=begin.size,
            stochastic_depth=block["stochastic_depth"],
            switches=tuple(switches),
            begins_known=not position and _begins_known(base, component(self.recipe["head"][-1])),
            span=block.head_span,
        )

    def _parts(self) -> tuple[PartPlan, ...]:
        selection, frozen = self.block["train"], self.block["norm"] == "frozen"
        names = trained_names(self.net.parts, selection, frozen)
        if not names:
            examples = tuple(f"`{owned[0].name}`" for owned in self.net.parts.values() if owned)[:3]
            self.problems.append(
                TrainsNothing(span=self.block.span_of("train"), title=self.block.title, examples=examples)
            )
        trained = {
            part: sum(parameter.size for parameter in owned if parameter.name in names)
            for part, owned in self.net.parts.items()
        }
        scales = self._scales([part for part, count in trained.items() if count])
        return tuple(
            PartPlan(
                name=part,
                numbers=sum(p.size for p in owned if p.kind != "statistic"),
                trained=trained[part],
                norms=_norms(owned, names),
                lr_scale=scales.get(part, 1.0),
            )
            for part, owned in self.net.parts.items()
        )

    def _scales(self, trained: list[str]) -> Mapping[str, float]:
        rule = self.block["lr_scale"]
        if isinstance(rule, CallValue):
            order = list(self.net.parts)
            args, scale = component(self.block.fields["lr_scale"]).args, RATE_RULES[rule.name].scale
            return {part: scale(args, len(order) - 1 - order.index(part)) for part in trained}
        return {part: value.value for key, value in rule or () for part in key.value.parts}

    def _schedule(self) -> tuple[Component, Length]:
        value = self.block.fields["schedule"]
        if isinstance(value.value, tuple):
            return self._sequence(value), Length(0, "0 steps")
        return self._scheduled(value, self.total)

    def _sequence(self, value: Value) -> Component:
        """Return schedules that follow one another as one."""
        found, left = [], int(self.total)
        for each in value.value:
            own: Quantity | None = each.value["for"]
            length = self.steps(own) if own else Length(left, f"the last {counted(left, 'step')}")
            schedule, warmup = self._scheduled(each, length)
            own_args = {"warmup": warmup} if warmup else {}
            found.append(replace(schedule, args={**schedule.args, **own_args, **({"for": length} if own else {})}))
            left -= length
            if left <= 0 and own:
                self.problems.append(
                    SchedulesTooLong(
                        span=value.span or self.block.head_span,
                        total=counted(self.total - left, "step"),
                        last=value.value[-1].value.name,
                        length=counted(self.total, "step"),
                        length_span=self.block.span_of("for"),
                    )
                )
                break
        return Component(SEQUENCE, {"schedules": tuple(found)}, value.span)

    def _scheduled(self, value: Value, length: Length) -> tuple[Component, Length]:
        """Return one schedule, and its warm-up; shares in it are of its own length."""
        call: CallValue = value.value
        given = {name: arg for name, arg in call.args.items() if name != "for" and (name != "peak" or arg.span)}
        args = {name: self._in_steps(arg.value, length) for name, arg in given.items()}
        warmup: Length = args.pop("warmup")
        if warmup and warmup >= length:
            span = call.args["warmup"].span or self.block.head_span
            self.problems.append(TooShort(span=span, steps=warmup, stage_steps=length))
        return Component(call.name, args, call.span or value.span), warmup

    def _average(self) -> Component | None:
        call: CallValue | None = self.block["average"]
        if call is None:
            return None
        return Component(call.name, {name: self._in_steps(arg.value) for name, arg in call.args.items()}, call.span)

    def _in_steps(self, value: Any, whole: Length | None = None) -> Any:
        """Return lengths in steps, shares of the stage or of `whole`, and all else as it is."""
        if isinstance(value, tuple):
            return tuple(self._in_steps(item.value, whole) for item in value)
        return self.steps(value, whole) if isinstance(value, Quantity) else value

    def _phases(self) -> list[Switch]:
        """Return what the stage begins with, and its switches."""
        found = [self._switch(phase) for phase in self.block.phases()]
        epochs = ceil(self.total / self.per_epoch)
        for before, switch in pairwise(found):
            if not before.epochs < switch.epochs < epochs:
                reason = f"this switch is at the end of epoch {switch.epochs} of {epochs}"
                if before.epochs >= switch.epochs:
                    reason += f" is not behind epoch {before.epochs}"
                hint = "write another share or epoch, or a longer stage"
                self.problems.append(SwitchMisplaced(span=switch.span, reason=reason, hint=hint))
        return found

    def _switch(self, phase: CheckedBlock) -> Switch:
        size = phase_size(self.recipe, phase)
        augment = phase_steps(self.recipe, phase, self.data.prepare, self.data.size, self.sides)
        begins: Quantity = phase.begins.value if phase.begins else Quantity(0, "epochs")
        return Switch(
            epochs=floor(begins.steps(self.per_epoch, self.total) / self.per_epoch + 0.5),
            loss=stage_loss(self.recipe, phase, self.data.target),
            augment=augment,
            views=self._views(phase, augment),
            sampling=stage_sampling(self.recipe, phase, self.data.target),
            size=None if size == self.data.size else size,
            span=phase.head_span,
        )

    def _views(self, block: CheckedBlock, augment: tuple[Component, ...]) -> int | None:
        own = block["views"]
        wanted = self.recipe.block("data")["views"] if own == "shared" else own
        return min((count for count in (wanted, view_count(augment)) if count is not None), default=None)

    def _stop(self) -> StopPlan | None:
        rule: CallValue | None = self.block["stop"]
        if rule is None:
            return None
        return STOP_RULES[rule.name].plan(component(self.block.fields["stop"]).args, self.steps)

    def _monitor(self, stop: StopPlan | None) -> tuple[Metric | None, str]:
        monitor: Metric | None = self.block["monitor"] or (stop.metric if stop else None)
        keep = "best" if isinstance(self.block["keep"], CallValue) else self.block["keep"]
        return monitor, keep or ("best" if monitor else "last")


def _norms(owned: tuple[Any, ...], names: frozenset[str]) -> str:
    norms = [p for p in owned if p.kind == "norm"]
    if not norms:
        return "none"
    return "train" if any(p.name in names for p in norms) else "frozen"


def _begins_known(base: Component, last: Component) -> bool:
    """Whether the head answers before the first step: it starts from class means, or an earlier run's is extended."""
    return starts_from_means(base, last) or getattr(base.args.get("weights"), "args", {}).get("head") == "extended"


def _origin(before: StagePlan | None, base: Component, last: Component) -> str:
    if before is None:
        source, new = source_for(base), "a head of class means" if starts_from_means(base, last) else "a new head"
        if source in TRAINED:
            args = base.args["weights"].args
            head = "its head as well" if args["head"] == "kept" else new
            if "known" in args:
                head = f"{counted(args['known'], 'class', 'classes')} of its head kept, {args['added'] or 'none'} new"
            of = f" after stage {args['stage']}" if args.get("stage") else ""
            return f"what {args['path']} has learned{of}, {head}"
        return f"the base's {source.entry.name} weights, {new}" if source.is_pretrained else "random weights"
    if before.soup:
        return f'the greedy soup of "{before.title}" by {before.monitor}'
    if before.keep == "best":
        return f'the best weights of "{before.title}" by {before.monitor}'
    return f'the last weights of "{before.title}"'
