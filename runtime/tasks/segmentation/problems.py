"""What can be wrong with masks as targets (E593)."""

from __future__ import annotations

from recipe_lang.problem import Kind
from recipe_lang.words import a_few

OtherClasses = Kind(
    "E593",
    "other classes",
    reason="The masks of all sets have the same classes in the same order, which is that of the scores.",
    fields="set_name names classes",
    message=lambda p: f"`{p.set_name}` has the classes {a_few(p.names)}, `train` has {a_few(p.classes)}",
    help="write the same `classes` in both",
)
