"""Maps of classes: merged, renamed and dropped, for each kind of targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipe_lang.check.checker import check
from recipe_lang.compose.load import parse
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.source import Source
from runtime.data.boxes import Boxes
from runtime.data.class_map import mapped
from runtime.data.listing import Listing, Sample
from runtime.data.masks import IGNORED, Mask
from runtime.data.painted import Painted
from runtime.plan.size import Size
from runtime.vocabulary import VOCABULARY

NAMES = ("ash", "beech", "fir", "pine")


def changed(text: str, targets: list[object], names: tuple[str, ...] = NAMES, training: bool = True) -> Listing:
    source = (
        f'ftr 1\ndata {{\n  train = digits\n  classes = {text}\n}}\nstage "a" {{\n  train = head\n  for = 1 epoch\n}}\n'
    )
    recipe = check(parse(Source("recipe.ftr", source)), VOCABULARY)
    samples = tuple(Sample(str(number), target, Path(str(number))) for number, target in enumerate(targets))
    return mapped(Listing(samples, names), recipe.block("data")["classes"], "train", training=training)


def targets(listing: Listing) -> list[object]:
    return [sample.target for sample in listing.samples]


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        (
            'class_map({ "leaves" = ["ash", "beech"], "needles" = ["fir", "pine"] })',
            ("leaves", "needles"),
            [0, 0, 1, 1],
        ),
        ('class_map({ "fir" = ["pine"] })', ("ash", "beech", "fir"), [0, 1, 2, 2]),
        ('class_map({ "Fraxinus" = ["ash"] })', ("Fraxinus", "beech", "fir", "pine"), [0, 1, 2, 3]),
        ('class_map({ "ash" = ["beech"], "beech" = ["ash"] })', ("beech", "ash", "fir", "pine"), [0, 1, 2, 3]),
        ('class_map({ "pine" = ["pine"], "other" = rest })', ("other", "pine"), [0, 0, 0, 1]),
        ('class_map({ "other" = rest, "pine" = ["pine"] }, drop = ["fir"])', ("other", "pine"), [0, 0, 1]),
        ('class_map(drop = ["ash"])', ("beech", "fir", "pine"), [0, 1, 2]),
        ('class_map({ "a" = ["ash"], "b" = ["fir"] }, others = drop)', ("a", "b"), [0, 1]),
    ],
    ids=["merge", "into one that is there", "rename", "swap", "rest", "rest and drop", "drop", "only"],
)
def test_classes_are_merged_renamed_and_dropped(text: str, names: tuple[str, ...], expected: list[int]) -> None:
    found = changed(text, [0, 1, 2, 3])
    assert (found.names, targets(found)) == (names, expected)


def test_what_is_left_out_is_said() -> None:
    found = changed('class_map({ "conifer" = ["fir", "pine"] }, drop = ["ash"])', [0, 0, 1, 2, 3])
    assert found.notes == ("train: 4 classes of the source become 2", "train: without `ash`: 2 images left out")
    assert changed('class_map({ "Fir" = ["fir"] })', [0, 1, 2, 3]).notes == ()


def test_labels_are_merged_and_dropped_and_images_stay() -> None:
    found = changed('class_map({ "conifer" = ["fir", "pine"] }, drop = ["ash"])', [(0, 2), (2, 3), (0,), (1, 3)])
    assert (found.names, targets(found)) == (("beech", "conifer"), [(1,), (1,), (), (0, 1)])


def test_objects_of_dropped_classes_are_left_out_and_counted() -> None:
    boxes = Boxes.of([(0, 0, 4, 4), (1, 1, 5, 5), (2, 2, 6, 6)], [0, 2, 3])
    found = changed('class_map({ "conifer" = ["fir", "pine"] }, drop = ["ash"])', [boxes, Boxes.of([], [])])
    assert found.samples[0].target.classes.tolist() == [1, 1]
    assert found.samples[0].target.corners.tolist() == [[1, 1, 5, 5], [2, 2, 6, 6]]
    assert found.dropped == {"of classes that `classes` drops": 1}
    assert "train: without `ash`: 1 object left out" in found.notes


def test_pixels_are_merged_and_those_of_a_dropped_class_count_for_nothing(tmp_path: Path) -> None:
    pixels = np.array([[0, 1, 2, 3, 9]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    of_file = Mask(tmp_path / "mask.png", (0, 1, 2, 3), 9)
    painted = Mask(Painted("p", Size(1, 4), pixels=pixels[:, :4]), (0, 1, 2, 3), None)
    found = changed('class_map({ "ash" = ["fir"] }, drop = ["pine"])', [of_file, painted])
    assert found.names == ("ash", "beech")
    assert found.samples[0].target.stored().tolist() == [[0, 1, 0, IGNORED, IGNORED]]
    assert found.samples[1].target.stored().tolist() == [[0, 1, 0, IGNORED]]
    assert found.samples[0].target.digest() != of_file.digest()
    assert found.samples[1].target.origin != painted.origin


def fault(text: str) -> Problem:
    with pytest.raises(RecipeError) as caught:
        changed(text, [0, 1, 2, 3])
    (problem,) = caught.value.problems
    return problem


def test_a_class_that_is_not_there_is_suggested_at_its_place() -> None:
    found = fault('class_map({ "conifer" = ["fir", "pines"] })')
    assert (found.code, found.names, found.nearest) == ("E565", ("pines",), "pine")
    assert found.span is not None
    assert found.span.text == '"pines"'


def test_one_class_is_nothing_to_learn() -> None:
    found = fault('class_map({ "tree" = rest })')
    assert (found.code, found.message()) == ("E565", "the map of classes leaves 1 class")


def test_a_set_that_evaluates_may_lack_classes_or_have_the_new_ones() -> None:
    text = 'class_map({ "leaves" = ["ash", "beech"], "needles" = ["fir", "pine"] })'
    found = changed(text, [0, 1, 2], ("ash", "leaves", "pine"), training=False)
    assert (found.names, targets(found)) == (("leaves", "needles"), [0, 0, 1])
