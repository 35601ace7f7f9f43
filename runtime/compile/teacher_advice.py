"""Advice on a teacher: on what it sees (W764), and on what it has learned (W765)."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.data.transforms.views import at_size
from runtime.plan.types import Plan, StagePlan
from runtime.tasks.catalog import TASKS
from runtime.tasks.protocol import loss_of

TeacherSeesLess = Kind(
    "W764",
    "teacher sees less",
    reason="""A teacher sees what the network in training sees: the same crop, the same colours. Where that view can be
    made at its own size, it is. Some steps draw lengths in pixels, such as `random_crop`: then it sees the smaller
    pixels enlarged, which it has not learned from, and which show less than it could tell apart.

    Consistent views matter more than sharp ones: a teacher of other crops teaches worse.""",
    source="Beyer et al. 2022, arXiv 2106.05237",
    fields="path theirs ours",
    message="{path} has learned from images of {theirs}, and sees here those of {ours}, enlarged",
    help="crop by `random_resized_crop`, or train the teacher at `size = {ours}`",
)

TeacherLearnedSmoothed = Kind(
    "W765",
    "teacher learned smoothed",
    reason="""Label smoothing makes a network more accurate and a worse teacher: what it says of the wrong classes, from
    which a student learns, becomes the same for all images of a class.""",
    source="Müller et al. 2019, arXiv 1906.02629",
    fields="path smoothing",
    message="{path} was trained with label smoothing of {smoothing:g}, which teaches less",
    help="train the teacher with `loss = cross_entropy`",
)


def is_taught(plan: Plan, stage: StagePlan) -> bool:
    """Whether the loss of a stage asks a teacher."""
    return loss_of(TASKS[plan.task], stage.loss).taught is not None


def teacher_advice(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    """Yield advice on the teacher of a plan."""
    teacher, span = plan.teacher, recipe.fields["teacher"].span
    if teacher is None:
        return
    path = str(teacher.source.args["path"])
    theirs, ours = teacher.size, plan.data.size
    resizes = any(is_taught(plan, stage) and not at_size(stage.augment, ours, theirs) for stage in plan.stages)
    if resizes and (ours.height < theirs.height or ours.width < theirs.width):
        yield TeacherSeesLess(span=span, path=path, theirs=theirs.written, ours=ours.written)
    if teacher.smoothing:
        yield TeacherLearnedSmoothed(span=span, path=path, smoothing=teacher.smoothing)
