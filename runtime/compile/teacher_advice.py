"""Advice on a teacher: on what it sees (W764), and on what it has learned (W765)."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_lang.check.checked import CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.plan.types import Plan

TeacherSeesLess = Kind(
    "W764",
    "teacher sees less",
    reason="""A teacher sees the very pixels that the network in training sees: the same crop, the same colours, at its
    own size. Smaller images are enlarged for it, which it has not learned from, and show less than it could tell apart.

    Consistent views matter more than sharp ones: a teacher of other crops teaches worse. How good it is on smaller
    images, a run of it at that size tells.""",
    source="Beyer et al. 2022, arXiv 2106.05237",
    fields="path theirs ours",
    message="{path} has learned from images of {theirs}, and sees here those of {ours}, enlarged",
    help="train the teacher at `size = {ours}`, or this recipe at `size = {theirs}`",
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


def teacher_advice(recipe: CheckedRecipe, plan: Plan) -> Iterator[Problem]:
    """Yield advice on the teacher of a plan."""
    teacher, span = plan.teacher, recipe.fields["teacher"].span
    if teacher is None:
        return
    path = str(teacher.source.args["path"])
    theirs, ours = teacher.size, plan.data.size
    if ours.height < theirs.height or ours.width < theirs.width:
        yield TeacherSeesLess(span=span, path=path, theirs=theirs.written, ours=ours.written)
    if teacher.smoothing:
        yield TeacherLearnedSmoothed(span=span, path=path, smoothing=teacher.smoothing)
