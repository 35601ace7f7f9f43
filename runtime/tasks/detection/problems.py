"""What can be wrong with the objects of sets (E581, E587)."""

from __future__ import annotations

from recipe_lang.problem import Kind
from recipe_lang.words import a_few

UnknownObjects = Kind(
    "E581",
    "unknown objects",
    reason="""The validation or test set has objects of a class that training does not have.

    None of them could be found. Where a recipe fixes `classes` in the source of `train`, it does so in the others
    too.""",
    fields="set_name names classes",
    optional={"nearest": ""},
    message="the {set_name} set has objects of the {names:plural class|classes} {names:few}, which training has not",
    help=lambda p: (f"did you mean `{p.nearest}`? " if p.nearest else "") + f"training has {a_few(p.classes)}",
)

ClassLeftWithoutObjects = Kind(
    "E587",
    "class left without objects",
    reason="What a holdout or a limit leaves for training must show an object of every class.",
    fields="names",
    message="training has no object left of the {names:plural class|classes} {names:few}",
    help='add images that show some, hold out less, or leave the class out: `classes = ["…"]`',
)
