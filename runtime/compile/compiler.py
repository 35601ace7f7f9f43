"""CheckedRecipe to Plan: `compile_plan(recipe, data, net)`.

Takes a checked recipe and facts as plain values, decides everything that the recipe leaves open, and turns all
lengths into steps. Imports no MXNet and touches no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe, Metric
from recipe_lang.output.identity import recipe_hash
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.words import counted
from runtime.compile.components import component
from runtime.compile.image_steps import prepare_steps
from runtime.compile.phases import stage_phases
from runtime.compile.problems import ClaimOfNothing, TrainsNothing
from runtime.compile.schedules import StageSteps, stage_schedule
from runtime.data.transforms.row import Sides
from runtime.models.base import Normalization
from runtime.models.catalog import crop_share
from runtime.models.heads import starts_from_means
from runtime.models.weights_sources import TRAINED, source_for
from runtime.plan.stage_rules import RATE_RULES, STOP_RULES
from runtime.plan.types import (
    ClaimPlan,
    Component,
    DataFacts,
    DataPlan,
    NetFacts,
    PartPlan,
    Plan,
    StagePlan,
    StopPlan,
    TeacherPlan,
    TilePlan,
    trained_names,
)
from runtime.tasks.catalog import task_of
from runtime.tasks.protocol import PARTS
from runtime.vocabulary import VOCABULARY
from runtime.vocabulary.rules.images import image_size


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
        self.steps = StageSteps.of_stage(block, data.images("train"), data.batch)

    def plan(self, position: int, before: StagePlan | None, base: Component) -> StagePlan:
        block, steps = self.block, self.steps
        parts = self._parts()
        schedule, warmup = stage_schedule(block, steps, self.problems)
        stop = self._stop()
        monitor, keep = self._monitor(stop)
        cut = next((index for index, part in enumerate(parts) if part.trained), len(parts))
        begin, *switches = stage_phases(self.recipe, block, self.data, self.sides, steps, self.problems)
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
            steps=steps.total,
            steps_per_epoch=steps.per_epoch,
            epochs=steps.epochs,
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

    def _average(self) -> Component | None:
        call: CallValue | None = self.block["average"]
        if call is None:
            return None
        return Component(call.name, {name: self.steps.within(arg.value) for name, arg in call.args.items()}, call.span)

    def _stop(self) -> StopPlan | None:
        rule: CallValue | None = self.block["stop"]
        if rule is None:
            return None
        return STOP_RULES[rule.name].plan(component(self.block.fields["stop"]).args, self.steps.of)

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
