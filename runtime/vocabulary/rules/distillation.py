"""A teacher and the loss that learns from it, which need each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedRecipe, Value
from recipe_lang.problem import Kind, Problem
from runtime.tasks.catalog import TASKS, task_of
from runtime.tasks.distillation import DISTILLATION

NobodyTaught = Kind(
    "E460",
    "nobody taught",
    reason="""A teacher's outputs are learned by `loss = distillation`, and by no other loss.

    Its soft targets are the probabilities of classes or of labels: of boxes, masks and numbers there are none, and
    what takes their place there, such as feature maps or boxes of the teacher, is not built.""",
    fields="usual task having",
    message=(
        "`task = {task}` has no loss that learns from a `teacher`",
        "`teacher` is named, and no loss learns from it",
    ),
    help=(
        "leave it out; it is for {having:quoted or}",
        "write `loss = distillation({usual})`, at the top or in a stage, or leave `teacher` out",
    ),
)

NoTeacher = Kind(
    "E461",
    "no teacher",
    reason="Distillation learns what a trained network says of the same images: the recipe names that network.",
    message="`distillation` has nobody to learn from",
    help='add `teacher = run("runs/…")` or `teacher = pack("….ftrpack")` at the top',
)

DistilledTwice = Kind(
    "E462",
    "distilled twice",
    reason="A recipe has one teacher: the loss inside of `distillation` is that of the targets.",
    fields="usual",
    message="`distillation` is inside of `distillation`",
    help="name the loss of the targets there, such as `{usual}`",
)


def _teaching(recipe: CheckedRecipe) -> Iterator[Problem]:
    task, teacher = task_of(recipe), recipe.fields["teacher"]
    stages = tuple(recipe.all("stage"))
    own = [stage.fields["loss"] for stage in stages if stage["loss"] != "shared"]
    asking = [loss for loss in (recipe.fields["loss"], *own) if _name(loss) == DISTILLATION.name]
    for loss in asking:
        inner: Value = loss.value.args["loss"]
        if _name(inner) == DISTILLATION.name:
            yield DistilledTwice(span=inner.span, usual=task.loss)
        elif teacher.value is None:
            yield NoTeacher(span=loss.span)
    if teacher.value is None:
        return
    shared = any(stage["loss"] == "shared" for stage in stages)
    if not any(loss is not recipe.fields["loss"] or shared for loss in asking):
        having = tuple(each.name for each in TASKS.values() if any(loss.taught for loss in each.losses))
        other, having = ("", ()) if task.name in having else (task.name, having)
        yield NobodyTaught(span=teacher.span, usual=task.loss, task=other, having=having)


def _name(loss: Value) -> str:
    return loss.value.name if isinstance(loss.value, CallValue) else ""


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (_teaching,)
