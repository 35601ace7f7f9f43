"""The sets that a recipe draws from its training images: rows, and which sets these are."""

from __future__ import annotations

from recipe_lang.check.checked import CallValue, CheckedRecipe, Value
from recipe_lang.check.vocabulary import Arg, CallOf, Either, Entry, NothingType, Number, Text

_BY = Arg(
    "by",
    Either((NothingType(), Text(), CallOf(("grouping",)))),
    "What images belong together by, such as those of a patient, which then go into one set: the name of a column of"
    " their table, `folder`, or `pattern(…)`.",
    None,
    since="0.2",
)

SPLITS = (
    Entry(
        "holdout",
        "A fraction of the training images, stratified by class, drawn with the recipe's seed.",
        (
            Arg("share", Number(0, 1, above=True, below=True), "Fraction of `train`, such as `20%`."),
            _BY,
            Arg(
                "latest",
                Either((NothingType(), Text())),
                "The name of a column of dates or numbers: the newest images are taken, and none is drawn.",
                None,
                since="0.2",
            ),
        ),
        examples=(
            "valid = holdout(15%)\ntest = holdout(15%)",
            "valid = holdout(share = 0.15)",
            'train = csv("scans.csv", image = "file", label = "finding")\nvalid = holdout(20%, by = "patient")',
            'train = csv("photos.csv", image = "file", label = "kind")\nvalid = holdout(20%, latest = "taken")',
        ),
    ),
    Entry(
        "folds",
        "One of several parts of the training images that are alike, stratified by class: each is used once in as many"
        " runs.",
        (
            Arg("count", Number(2, 1000, whole=True), "How many folds."),
            Arg("use", Number(1, 1000, whole=True), "Which of them, from 1 on."),
            _BY,
        ),
        source="sklearn.model_selection.StratifiedKFold; with `by` StratifiedGroupKFold; of several labels Sechidis et"
        " al., ECML PKDD 2011",
        examples=("valid = folds(5, use = 2)", "valid = folds(count = 5, use = 2, by = folder)"),
    ),
)

GROUPINGS = (
    Entry(
        "folder",
        "Images belong together that lie in a folder of the same name, below that of their class.",
        examples=('data {\n  train = folder("scans")\n  valid = holdout(20%, by = folder)\n}',),
    ),
    Entry(
        "pattern",
        "Images belong together of whose names a regular expression matches the same.",
        (
            Arg(
                "pattern",
                Text(),
                "The expression. What its first parentheses match is the group; one with a slash is looked for in the"
                " path below the source, any other one in the file's name.",
            ),
        ),
        source="re.search of Python",
        examples=(
            'data {\n  train = folder("scans")\n  valid = holdout(20%, by = pattern("(.+)_[0-9]+"))\n}',
            'data {\n  train = folder("scans")\n  valid = folds(5, use = 1, by = pattern(pattern = "^[a-z]+"))\n}',
        ),
    ),
)


def parts_of_train(recipe: CheckedRecipe) -> dict[str, Value]:
    """Return the fields of the sets that are parts of the images of `train`, by name."""
    fields = recipe.block("data").fields
    return {name: fields[name] for name in ("valid", "test") if is_split(fields[name].value)}


def is_split(value: object) -> bool:
    """Whether a value of `valid` or `test` is a part of the images of `train`."""
    return isinstance(value, CallValue) and value.family == "split"


def share_of(split: CallValue) -> float:
    """Return the fraction of the images that a split takes."""
    share: float = 1 / split["count"] if split.name == "folds" else split["share"]
    return share
