"""What can be wrong with the labels of sets (E598, E599)."""

from __future__ import annotations

from recipe_lang.problem import Kind
from recipe_lang.words import a_few

UnknownLabels = Kind(
    "E598",
    "unknown labels",
    reason="""The validation or test set has labels that training does not have.

    No network could give them.""",
    fields="set_name names labels",
    optional={"nearest": ""},
    message="the {set_name} set has the {names:plural label|labels} {names:few}, which training does not have",
    help=lambda p: (f"did you mean `{p.nearest}`? " if p.nearest else "") + f"training has {a_few(p.labels)}",
)

LabelLeftWithoutImages = Kind(
    "E599",
    "label left without images",
    reason="""What a holdout or a limit leaves for training must have an image with each label.

    Of a label that no training image has, all that can be learned is to never give it.""",
    fields="names",
    message="no training image has the {names:plural label|labels} {names:few}",
    help="add images that have it, hold out less, or leave the label out",
)
