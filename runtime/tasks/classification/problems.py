"""What can be wrong with the classes of sets (E514, E515, E589)."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem
from recipe_lang.words import a_few
from runtime.data.problems import quoted
from runtime.data.similar_labels import escaped_label, seen


def _unknown_class_help(p: Problem) -> str:
    if p.nearest and seen(p.nearest) == seen(p.names[0]):
        one, other = escaped_label(p.names[0]), escaped_label(p.nearest)
        return f"`{one}` looks like training's `{other}` and is another name: spell both the same"
    start = f"did you mean {quoted(p.nearest)}? " if p.nearest else ""
    return f"{start}training has {a_few(p.classes)}"


UnknownClass = Kind(
    "E514",
    "unknown class",
    reason="""The validation or test set has a class that training does not have.

    No prediction of such an image can be right.""",
    fields="set_name names classes",
    optional={"nearest": ""},
    message="the {set_name} set has {names:plural class|classes} {names:few}, which training does not have",
    help=_unknown_class_help,
)

ClassWithoutImages = Kind(
    "E515",
    "class without images",
    reason="""A class has no image left for training: what a holdout or a limit leaves must have every class.

    Each holdout takes at least one image of every class that has two, so a class needs one image per set.""",
    fields="names",
    message=lambda p: (
        f"{len(p.names)} {'class has' if len(p.names) == 1 else 'classes have'} no image left for training:"
        f" {a_few(p.names)}"
    ),
    help="add images of these classes, or hold out less",
)

ThresholdOfClasses = Kind(
    "E589",
    "threshold of classes",
    reason="""A threshold decides between two classes: the second is the answer from this probability on.

    Of more classes the most probable one is the answer; what makes up for rare ones then is weights of the loss, an
    adjustment, or sampling.""",
    fields="classes",
    message=lambda p: f"a threshold is for two classes, and there are {len(p.classes)}: {a_few(p.classes)}",
    help="leave it out; `loss = logit_adjusted`, or `sampling = balanced`, makes up for rare classes",
)
