"""Frozen features ahead of a run: what its stages take of their images, computed into the cache.

In go a prepared recipe and what computes: this process, or an engine. A run of the recipe then finds its features, and
so does `ftr tune`. A stage whose frozen part trains in an earlier one cannot be done ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runtime.features.inputs import SetInputs, Wanted, keys_of
from runtime.models.heads import starts_from_means
from runtime.plan.size import Size
from runtime.plan.types import StagePlan
from runtime.training.events import Observer
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted, Session, StageNet, stage_net
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, ready_session


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What is wanted of a set, behind the frozen prefix of a stage; `size` where that is not the data's."""

    stage: StagePlan
    size: Size | None
    inputs: SetInputs
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class StageFeatures:
    """What was done for a stage. `rows` are images, and views of them, of `row_bytes` each; `computed` were not there.

    `left_out` says why nothing was done, or what is not kept; `is_whole` whether the cache took what was computed.
    """

    stage: StagePlan
    rows: int = 0
    computed: int = 0
    row_bytes: int = 0
    seconds: float = 0.0
    left_out: str = ""
    is_whole: bool = True


Progress = Iterator[tuple[int, int]]  # how many images are done, and of how many
Engine = Callable[[Session, Piece], Progress]


def here(session: Session, piece: Piece) -> Progress:  # noqa: ARG001 - as the others
    """Compute a piece in this process."""
    return piece.inputs.fill(*piece.wanted)


def compute_features(
    prepared: Prepared,
    settings: RunSettings,
    engine: Engine = here,
    observers: Sequence[Observer] = (),
    tell: Callable[[str], None] = lambda doing: None,
) -> list[StageFeatures]:
    """Compute what the stages of a recipe take of their images into the cache, as far as it is not there.

    Raises:
        RecipeError: an image or the weights cannot be read, or the engine failed.
        Interrupted: a signal ended it; the rows so far are kept.
    """
    with ready_session(prepared, settings, observers) as (session, context):
        features = session.features()
        try:
            found = []
            for stage in session.plan.stages:
                if reason := _trained_before(session, stage):
                    found.append(StageFeatures(stage, left_out=reason))
                    continue
                net = stage_net(session, stage, features)
                found.append(_stage(session, stage, net, engine, context, tell))
            return found
        finally:
            features.close()


def _trained_before(session: Session, stage: StagePlan) -> str:
    """Say why a stage's features are not known before the run."""
    if stage.cut == 0:
        return "nothing is frozen"
    earlier = next((each for each in session.plan.stages[: stage.position] if each.cut < stage.cut), None)
    return f"its frozen part trains in {earlier.name}" if earlier else ""


def _stage(
    session: Session,
    stage: StagePlan,
    net: StageNet,
    engine: Engine,
    context: RunContext,
    tell: Callable[[str], None],
) -> StageFeatures:
    began = time.monotonic()
    prefix = net.inputs.each.prefix
    keys, computed = set(), 0
    if not prefix.keeps:
        return StageFeatures(stage, left_out="its features are too many to be kept, or the disk has no room")
    for piece in pieces(session, stage, net):
        keys |= set(keys_of(*piece.wanted))
        total = 0
        for done, total in engine(session, piece):
            tell(f"{stage.name}: frozen features of the {piece.wanted.name} set, {done:,} of {total:,}")
            if context.should_stop():
                raise Interrupted(context.signal.number)
        computed += total
    tables = [level.cached for level in prefix.levels if level.table is not None]
    width = sum(each.rows.width for each in tables if each is not None and each.rows is not None)
    is_whole = not computed or all(each is not None and each.takes_more for each in tables)
    reasons = [
        f"the training images are new each time: {counted}" if (counted := _live(stage)) else "",
        "" if is_whole else "the cache has no more room, or cannot be written",
    ]
    seconds = time.monotonic() - began
    return StageFeatures(stage, len(keys), computed, width, seconds, "; ".join(filter(None, reasons)), is_whole)


def _live(stage: StagePlan) -> str:
    """Say which epochs open their images anew."""
    live = [epochs for epochs, phase in stage.phases() if phase.views is None]
    if not live:
        return ""
    return "in all epochs" if len(live) == len(stage.phases()) else f"from epoch {live[0].start + 1} on, in part"


def pieces(session: Session, stage: StagePlan, net: StageNet) -> Iterator[Piece]:
    """Yield what a stage takes of its images, in the order in which a run asks for it."""
    plan, each = session.plan, net.inputs.each
    if not stage.position and starts_from_means(plan.base, plan.head[-1]):
        samples = session.sets.samples["train"]
        yield Piece(stage, None, each, Wanted("train", samples, plan.data.prepare, [()] * len(samples)))
    for epochs, phase in stage.phases():
        inputs = net.at(phase).inputs
        for epoch in epochs:
            yield from (Piece(stage, phase.size, inputs.trained, wanted) for wanted in inputs.shown(epoch))
    for name in ("valid", "test") if stage is plan.stages[-1] else ("valid",):
        if plan.data.images(name):
            yield from (Piece(stage, None, each, wanted) for wanted in each.evaluated(name))
