"""A run that is ready to train, and one stage of it: its network in two parts, and the function that trains a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from runtime.backend.blocks import LossBlock
from runtime.backend.freezing import drops, prepare_stage, still_statistics
from runtime.backend.mx import array, autograd, mx, nd
from runtime.data.sample_weights import WeightedTargets, weight_scale
from runtime.data.sets import Sets
from runtime.data.transforms.mixed import MixedTargets, weights_of
from runtime.distribution.exchange import ALONE, Exchange, own_shards
from runtime.distribution.share import Share
from runtime.features.features import Features
from runtime.features.inputs import SetInputs, StageInputs, StepInputs, kept_rows, teacher_rows
from runtime.features.prefix import Prefix
from runtime.features.store import Tables
from runtime.features.teacher import TaughtTargets, Teacher, TeacherOutputs, teacher_features, teacher_outputs
from runtime.models.catalog import name_of
from runtime.models.network import Model, frozen_units
from runtime.models.run_weights import is_last, known_rows
from runtime.models.stochastic_depth import branches_of, set_stochastic_depth
from runtime.plan import schedules
from runtime.plan.size import Size
from runtime.plan.stage_rules import RECOVERIES
from runtime.plan.types import Component, Plan, StagePlan, trained_names
from runtime.system.cache.disk import FeatureCache
from runtime.system.random import derive
from runtime.tasks.protocol import Task, loss_of
from runtime.training.averages import Average
from runtime.training.gradients import CLIPS, add_l1, add_l2_sp, add_up, ascended
from runtime.training.optimizers import trainer
from runtime.training.shards import ShardedStep
from runtime.training.state import Checkpoint, TrainState

TrainStep = Callable[[StepInputs, int], tuple[Any, float]]


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """The run was asked to end, and did at a step's boundary."""


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A plan with its network and its images, ready to run.

    `should_stop` is looked at before each batch, `is_due` after each step and epoch: whether to take a checkpoint.
    `checkpoint` is where to begin, and `state` then its state; the network has the weights of the plan's base.
    `teacher` is the network that the plan names as such. `exchange` connects the workers of a run, of which this may be
    one.
    """

    plan: Plan
    task: Task
    model: Model
    sets: Sets
    context: Any
    should_stop: Callable[[], bool] = lambda: False
    is_due: Callable[[TrainState], bool] = lambda state: False
    checkpoint: Checkpoint | None = None
    fuse: bool = True
    keep: bool = True  # what the frozen parts give
    cache: FeatureCache | None = None  # where it is kept for later runs
    state: TrainState = field(default_factory=TrainState)
    teacher: Teacher | None = None
    exchange: Exchange = ALONE
    lasting: Tables | None = None  # where it is kept for later runs of this process

    def features(self) -> Features:
        """Return what makes the frozen prefixes of the stages; close it behind the last."""
        found = features_of(
            self.model, self.plan.base, self.sets, self.context, fuse=self.fuse, keep=self.keep, cache=self.cache
        )
        found.lasting = self.lasting
        if self.teacher is not None:
            found.teacher = teacher_features(
                self.teacher, self.sets.plan, self.context, fuse=found.fuse, keep=self.keep, cache=self.cache
            )
            found.teacher.exchange = self.exchange
        found.exchange = self.exchange
        return found


@dataclass(frozen=True, slots=True, eq=False)
class StageNet:
    """The network as one stage runs it: a frozen prefix, then the suffix that trains.

    Where training images have another size than those that are measured, `resized` has the prefix and the suffix for
    it.
    """

    inputs: StageInputs
    suffix: Any
    predicting: Callable[[], Any]  # the suffix with the weights of now, for prediction
    trained: Mapping[str, Any]  # parameters by structural name
    changing: Mapping[str, Any]  # all parameters and statistics behind the cut
    update: Any  # gluon's Trainer
    average: Average
    began_with: Mapping[str, Any]  # weights that those of now are pulled towards
    has_dropout: bool
    sharded: ShardedStep | None  # what makes a step where batches are cut into shards
    resized: Mapping[Size, tuple[Prefix, Any]]
    teaching: Callable[[StagePlan], TeacherOutputs | None]  # what gives a phase the outputs of the teacher

    def at(self, phase: StagePlan) -> StageNet:
        """Return the network as it trains in a phase of its stage; over the same weights, with the same optimizer."""
        before = self.inputs.stage
        is_same = (phase.loss, phase.augment, phase.size) == (before.loss, before.augment, before.size)
        teacher = self.inputs.teacher if is_same else self.teaching(phase)
        inputs = replace(self.inputs, stage=phase, teacher=teacher)
        if phase.size is None:
            return replace(self, inputs=inputs)
        prefix, suffix = self.resized[phase.size]
        return replace(self, inputs=replace(inputs, resized=replace(inputs.each, prefix=prefix)), suffix=suffix)


def features_of(
    model: Model, base: Component, sets: Sets, context: Any, *, fuse: bool, keep: bool, cache: FeatureCache | None
) -> Features:
    """Return what makes the frozen prefixes of a network; close it behind the last."""
    data = sets.plan
    return Features(
        model.chain,
        data.batch,
        data.size,
        context,
        lambda images: sets.inputs(images, context),
        fuse=fuse and context.device_type == "cpu",
        keep=keep,
        precision=data.features,
        cache=cache,
        identity={"mean": data.mean, "std": data.std},
        about={"base": name_of(base)},
    )


def whole_net(model: Model) -> Callable[[Any], Any]:
    """Return the whole network, hybridized; outside of `autograd.record` it predicts."""
    net: Callable[[Any], Any] = model.net
    net.hybridize(static_alloc=True, static_shape=True)  # type: ignore[attr-defined]
    return net


def stage_net(session: Session, stage: StagePlan, features: Features) -> StageNet:
    """Freeze what a stage freezes, and return the network in its two parts."""
    model = session.model
    names = trained_names(model.facts().parts, stage.train, stage.norm_frozen)
    wanted = {model.parameters[name] for name in names}
    for name, block in model.parts.items():  # the norms of a new head have no statistics to keep
        prepare_stage([(name, block)], wanted, norm_frozen=stage.norm_frozen and name != "head")
    branches = branches_of(session.plan.base.name, name_of(session.plan.base))
    set_stochastic_depth([block for _, block in model.base.parts], branches, stage.stochastic_depth)
    cut = frozen_units(model, stage.cut)
    prefix = stage_prefix(session, stage, features)
    suffix = features.training(cut, stage.shards)
    resized = {
        size: (stage_prefix(session, stage, each, size), each.training(cut, stage.shards))
        for size, each in features.resized(phase.size for _, phase in stage.phases()).items()
    }
    trained = {name: p for name, p in model.parameters.items() if p in wanted and p.grad_req != "null"}
    scales = {name: next(part.lr_scale for part in stage.parts if name.startswith(f"{part.name}.")) for name in trained}
    update = trainer([(p, scales[name]) for name, p in trained.items()], stage.optimizer.name, stage.optimizer.args)
    behind = tuple(f"{part}." for part in list(model.parts)[stage.cut :])
    changing = {name: p for name, p in model.parameters.items() if name.startswith(behind)}
    scale = weight_scale(session.sets.samples["train"])
    share = Share(stage.shards, own_shards(stage.shards, session.exchange.rank, session.exchange.workers))
    teacher = _teacher(session, features, stage)
    inputs = StageInputs(SetInputs(session.sets, prefix), stage, teacher, scale, share=share)
    has_dropout = any(drops(block) for block in features.chain.blocks[cut:])
    statistics = {name: p for name, p in changing.items() if name.endswith(("running_mean", "running_var"))}
    still = set().union(*map(still_statistics, model.parts.values()))
    known = known_rows(session.plan.base)
    pulled = [name for name in trained if stage.l2_sp and (known or not name.startswith("head."))]
    return StageNet(
        inputs,
        suffix,
        partial(features.predicting, cut),
        trained,
        changing,
        update,
        Average(stage, trained, statistics),
        {name: _known_part(name, trained[name].data(), known, model) for name in pulled},
        has_dropout,
        _sharded(session, stage, share, list(trained.values()), [p for p in statistics.values() if p not in still]),
        resized,
        partial(_teacher, session, features),
    )


def _sharded(
    session: Session, stage: StagePlan, share: Share, params: Sequence[Any], moving: Sequence[Any]
) -> ShardedStep | None:
    exchange = session.exchange
    if share.shards == exchange.workers == 1:
        return None
    return ShardedStep(share, exchange, params, moving, session.plan.data.batch * stage.accumulate)


def stage_prefix(session: Session, stage: StagePlan, features: Features, size: Size | None = None) -> Prefix:
    """Return the frozen prefix of a stage; `size` is that of its images where it is not the data's."""
    later = [frozen_units(session.model, each.cut) for each in session.plan.stages[stage.position + 1 :]]
    return features.prefix(frozen_units(session.model, stage.cut), later, kept_rows(session.plan, size))


def _known_part(name: str, values: Any, known: int, model: Model) -> Any:
    """Return a copy of weights; of the outputs of a head that is extended, of the known ones alone."""
    has_outputs = name.startswith("head.") and is_last(name, model.parameters) and len(values) > known
    return values[:known].copy() if has_outputs else values.copy()


def _teacher(session: Session, features: Features, stage: StagePlan) -> TeacherOutputs | None:
    """Return what gives a stage, or a phase of one, the outputs of the teacher, where its loss asks for them."""
    if features.teacher is None or session.teacher is None or loss_of(session.task, stage.loss).taught is None:
        return None
    size, rows = stage.size or session.plan.data.size, teacher_rows(session.plan)
    return teacher_outputs(features.teacher, session.teacher.plan, stage.augment, size, rows)


def rate_factor(stage: StagePlan) -> Callable[[int], float]:
    """Return the fraction of the peak rate for each step of a stage, from 0."""
    return schedules.build(
        stage.schedule.name,
        stage.schedule.args,
        total_steps=stage.steps,
        steps_per_epoch=stage.steps_per_epoch,
        warmup_steps=stage.warmup,
    )


def training_step(session: Session, stage: StagePlan, net: StageNet) -> TrainStep:
    """Return the function that makes one step, of one batch or more.

    It gives the mean loss, not waited for, and the rate. Gradients are sums over the images of all batches, added up
    in their order.
    """
    row = loss_of(session.task, stage.loss)
    criterion = LossBlock(row.build(stage.loss.args))
    as_labels = row.labels or session.task.as_labels
    criterion.hybridize()
    apart = LossBlock(row.taught(stage.loss.args)) if row.taught else None
    if apart is not None:
        apart.hybridize()
    args = stage.optimizer.args
    params = list(net.trained.values())
    pulled = [(net.trained[name], start) for name, start in net.began_with.items()]
    factor = rate_factor(stage)

    def loss_on(outputs: Any, targets: Any) -> Any:
        if isinstance(targets, TaughtTargets):
            assert apart is not None
            said, weights = apart(outputs, targets.said), weights_of(targets.targets)
            if weights is not None:
                said = said * array(weights, ctx=session.context)
            return loss_on(outputs, targets.targets) + said
        if isinstance(targets, MixedTargets):
            pair = (loss_on(outputs, targets.targets), loss_on(outputs, targets.others))
            return targets.share * pair[0] + (1 - targets.share) * pair[1]
        if isinstance(targets, WeightedTargets):
            return loss_on(outputs, targets.targets) * array(targets.weights, ctx=session.context)
        return criterion(outputs, array(as_labels(targets, outputs.shape), ctx=session.context))

    def summed(parts: StepInputs, step: int, shard: tuple[int, ...] = ()) -> Any:
        """Compute the gradients of batches, or of a shard of each; return the loss of each image."""
        sums: list[Any] = []
        found = []
        for number, (features, targets) in enumerate(parts):
            if net.has_dropout:
                path = (stage.position, step, *((number,) if number or shard else ()), *shard)
                mx.random.seed(derive(session.plan.seed, "dropout", *path) % (2**31 - 1))
            with autograd.record():
                outputs = net.suffix(*features)
                loss = loss_on(outputs, targets)
            loss.backward()
            found.append(loss)
            if len(parts) > 1:
                sums = add_up(params, sums)
        for param, total in zip(params, sums, strict=False):
            total.copyto(param.grad())
        return found[0] if len(found) == 1 else nd.concat(*found, dim=0)

    def losses(parts: StepInputs, step: int) -> Any:
        if net.sharded is None:
            return summed(parts, step)
        return net.sharded(parts, lambda own, shard: summed(own, step, (shard,) if stage.shards > 1 else ()))

    def train_step(parts: StepInputs, step: int) -> tuple[Any, float]:
        count = net.sharded.images if net.sharded else sum(len(targets) for _, targets in parts)
        loss = losses(parts, step)
        if stage.sam:
            with ascended(params, stage.sam):
                losses(parts, step)
        if stage.l1:
            add_l1(params, stage.l1, count, decay_norms=args["decay_norms"])
        if stage.l2_sp:
            add_l2_sp(pulled, stage.l2_sp, count)
        if stage.clip is not None:
            CLIPS[stage.clip.name].apply(params, count, **stage.clip.args)
        rate = args["lr"] * factor(step) * reduction(session.state) * slowdown(session.state, stage)
        net.update.set_learning_rate(rate)
        net.update.step(count)
        return loss.mean(), rate

    return train_step


def reduction(state: TrainState) -> float:
    """Return the factor of the rate that a schedule which goes by a metric has come to."""
    return state.plateau.factor if state.plateau else 1.0


def slowdown(state: TrainState, stage: StagePlan) -> float:
    """Return the factor of the rate, after so many times back."""
    rule = stage.recovery
    return RECOVERIES[rule.name].slowdown(rule.args, state.rollbacks) if rule else 1.0
