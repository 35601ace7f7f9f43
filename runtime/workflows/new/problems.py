"""What can keep `ftr new` from writing a recipe for a folder or a table of images (E530 to E535, E556)."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem
from runtime.data.problems import quoted


def _no_readable_image_help(p: Problem) -> str:
    reasons = [f"{quoted(name)}: {reason}" for name, reason in p.images]
    return "\n".join(["the files must be JPEG, PNG or the like; the first ones are:", *reasons])


NoReadableImage = Kind(
    "E530",
    "no readable image",
    reason="""None of the image files that `ftr new` opened can be read, so their size is unknown and nothing could
    train.

    It opens at most 200 files, spread over all classes. `images` holds the first ones, each with the reason.""",
    fields="path looked images",
    message="none of the {looked:,} images looked at in `{path:printable}` can be read",
    help=_no_readable_image_help,
)


def _columns(p: Problem) -> str:
    return "its columns are " + ", ".join(map(quoted, p.columns[:8]))


NoImageColumn = Kind(
    "E531",
    "no image column",
    reason="""A table of images has a column whose cells are the paths of image files, with their endings.

    The paths start at the table's folder, or at a folder beside the table. The first line names the columns.""",
    fields="path columns",
    optional={"hint": ""},
    message="no column of `{path:printable}` holds paths of images that are there",
    help=lambda p: p.hint or f"{_columns(p)}; one must hold paths such as photos/1.jpg",
)

NoLabelColumn = Kind(
    "E532",
    "no label column",
    reason="""A table of images has a column that names each image's class.

    Without a usual name, such as `label` or `class`, a column counts where it has at least two different values,
    and each of them stands in two rows on average. For regression it is a column of numbers that does not number the
    rows.""",
    fields="path columns",
    optional={"hint": "", "what": "the images' classes", "wanted": "call the one with the classes `label`"},
    message="no column of `{path:printable}` looks like {what}",
    help=lambda p: p.hint or f"{_columns(p)}; {p.wanted}",
)

OtherTask = Kind(
    "E556",
    "not for this task",
    reason="""What is there has targets of another kind than the task takes.

    Folders name classes, and numbers stand in a column of a table (CSV).""",
    fields="path task other",
    message="`{path:printable}` has nothing that `task = {task}` learns",
    help="leave out `--task` for a recipe with `task = {other}`, or give a table (CSV) with a column for it",
)

RecipeExists = Kind(
    "E533",
    "recipe exists",
    reason="`ftr new` does not overwrite a file unless it is told to.",
    fields="path",
    message="`{path:printable}` already exists",
    help="choose another name with `--out FILE`, print with `--out -`, or overwrite it with `--force`",
)

UnwritableName = Kind(
    "E534",
    "unwritable name",
    reason="""A recipe is text in UTF-8, and the name of this folder or file is not.

    Such names come from old archives and disks. They can be read, but not written down.""",
    fields="path",
    message="the name `{path:printable}` is not valid UTF-8, so no recipe can name it",
    help="rename it",
)

NothingThere = Kind(
    "E535",
    "nothing there",
    reason="""`ftr new` takes a folder of images, a table of them (CSV), or the name of a set that comes in a package.

    Its argument starts at the current folder, and a path that exists goes before a name.""",
    fields="path sets",
    optional={"nearest": ""},
    message="there is no folder and no table `{path:printable}`",
    help=(
        "did you mean `{nearest:printable}`?",
        "give a folder of images, a CSV file, or one of {sets:quoted}",
    ),
)
