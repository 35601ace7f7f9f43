"""What can be wrong with the images and tables that a recipe names (E501, E505 to E519, E553, E576 to E578, E594).

Each problem carries plain values (paths as text, names, counts); the caller adds the place in the recipe.
"""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem
from recipe_lang.words import a_few, counted, listed, printable
from runtime.data.similar_labels import escaped_label

_SHOWN = 5


def quoted(text: object) -> str:
    """Return a path or a name between backticks, with characters that no terminal can print replaced."""
    return f"`{printable(text)}`"


def _missing_path_help(p: Problem) -> str:
    if p.hint or p.nearest:
        return p.hint or f"did you mean {quoted(p.nearest)}?"
    return "" if p.found else "the recipe's relative paths start at its folder, or at `--data-root FOLDER`"


MissingPath = Kind(
    "E501",
    "missing path",
    reason="""A data source names a folder or a file that is not there, or the one where the other is expected.

    Paths in a recipe are relative to the file that writes them; `--data-root` moves all relative data paths.""",
    fields="path wanted",
    optional={"found": "", "nearest": "", "hint": ""},
    message=("`{path:printable}` is a {found}, and a {wanted} is expected", "there is no {wanted} `{path:printable}`"),
    help=_missing_path_help,
)

OneClass = Kind(
    "E505",
    "one class",
    reason="""Training data must have at least two classes; with one there is nothing to classify.

    The usual cause is an archive that unpacked into a folder of its own name, one level too deep.""",
    fields="path name",
    optional={"deeper": ""},
    message="`{path:printable}` has only one class: `{name:printable}`",
    help=(
        "`{deeper:printable}` has subfolders: is this the folder that you mean?",
        "a classifier needs images of at least two classes",
    ),
)

UnreadableTable = Kind(
    "E506",
    "unreadable table",
    reason="""A CSV file cannot be read as a table.

    It must be text in UTF-8, with the columns' names in its first line. Columns are separated by commas,
    semicolons, tabs or `|`.""",
    fields="path reason",
    optional={"hint": ""},
    message="`{path:printable}` cannot be read as a table: {reason}",
    help=("{hint}", "save it as CSV in UTF-8, with the columns' names in the first line"),
)

MissingColumn = Kind(
    "E507",
    "missing column",
    reason="""A CSV file's first line does not name a column that the recipe asks for.

    Names must match letter by letter.""",
    fields="path column columns",
    optional={"nearest": ""},
    message="`{path:printable}` has no column `{column:printable}`",
    help=(
        "{nearest:if did you mean `{nearest:printable}`? }its columns are {columns:few}"
        "{columns:plural ; is it separated by blanks? commas are understood|}"
    ),
)

MissingImages = Kind(
    "E508",
    "missing images",
    reason="""Rows of a table name image files that are not there.

    Paths in a table are relative to the table's own folder, or to `root` where it is given.""",
    fields="path root names line total",
    optional={"nearest": "", "hint": ""},
    message=lambda p: (
        counted(p.total, "row names an image that is", "rows name images that are")
        + f" not there: {a_few(p.names, p.total)} (first in line {p.line} of {quoted(p.path)})"
    ),
    help=(
        "{hint}",
        "{nearest:if did you mean `{nearest:printable}`? }looked in `{root:printable}`; `root` names another folder",
    ),
)

BadRow = Kind(
    "E509",
    "bad row",
    reason="""A row of a table cannot be used: its image or its label is empty, or it has more cells than there are
    columns.

    A comma in a label that is not quoted makes two cells of it. The second one is never dropped: labels that differ
    only after the comma would become one.""",
    fields="path line reason",
    optional={"hint": "complete or remove the row", "more": 0},
    message="line {line} of `{path:printable}`: {reason}{more:if ; {more:counted more row} cannot be used}",
    help="{hint}",
)

RepeatedColumn = Kind(
    "E576",
    "repeated column",
    reason="Several columns of a table have the name that the recipe asks for, and any of them could be meant.",
    fields="path column indices",
    message=lambda p: (
        f"{quoted(p.path)} has {len(p.indices)} columns called {quoted(p.column)}: "
        + ", ".join(str(1 + index) for index in p.indices)
    ),
    help="rename all but one in its first line",
)


def _repeated_rows_message(p: Problem) -> str:
    images = counted(p.images, "image has", "images have")
    start = f"{images} several rows in {quoted(p.path)}, {p.rows:,} too many: {quoted(p.name)}"
    if p.unlike:
        (line, label), (other, another) = p.lines[0], next(e for e in p.lines if e[1] != p.lines[0][1])
        labels = f"is {quoted(label)} in line {line} and {quoted(another)} in line {other}"
        has = "has" if p.unlike == 1 else "have"
        return f"{start} {labels}; {p.unlike:,} of them {has} rows that contradict each other"
    shown = [f"{line}" for line, _ in p.lines[:_SHOWN]]
    more = f" and {len(p.lines) - _SHOWN} more" if len(p.lines) > _SHOWN else ""
    return f"{start} in lines {', '.join(shown)}{more}"


def _repeated_rows_help(p: Problem) -> str:
    if p.unlike:
        number = ", such as their mean" if p.numbers else ""
        return f"give each image one row: one target is learned of each{number}"
    return (
        "give each image one row: of rows that are repeated for balance (oversampling) a holdout would put copies"
        " into both `train` and `valid`"
    ) + ("" if p.numbers else "; `monitor = valid.balanced_accuracy` gives each class equal weight")


RepeatedRows = Kind(
    "E577",
    "repeated rows",
    reason="""A table has several rows for an image.

    Rows that are repeated so that what is rare weighs more (oversampling) are copies to a holdout, which puts some
    of them into `train` and others into `valid` or `test`: what is measured there was trained on. Rows with
    different targets contradict each other, since one is learned of each image.""",
    fields="path images rows unlike name lines",
    optional={"numbers": False},
    message=_repeated_rows_message,
    help=_repeated_rows_help,
)


def _labels_alike_message(p: Problem) -> str:
    places = p.where or ("",) * len(p.names)
    shown = [f"`{escaped_label(name)}` {place}".rstrip() for name, place in zip(p.names, places, strict=True)]
    what = "labels" if p.where else "class folders"
    return f"{quoted(p.path)} has {what} that look the same: {listed(tuple(shown), 'and')}"


LabelsAlike = Kind(
    "E578",
    "labels alike",
    reason="""Labels of a table, or class folders, look the same and are not: nobody means them as two classes.

    They differ in how an accent is written (as one character, or as a mark after its letter, as macOS writes names
    of files), in the kind or the number of spaces, or in characters that have no width.""",
    fields="path names",
    optional={"where": ()},
    message=_labels_alike_message,
    help=lambda p: "spell all of these rows the same" if p.where else "put their images into one folder",
)

NotInstalled = Kind(
    "E510",
    "not installed",
    reason="A data set comes in a package of its own, which is not installed in this environment.",
    fields="what package command",
    message="{what} needs `{package:printable}`, which is not installed",
    help="run: {command}",
)

UnreadableData = Kind(
    "E511",
    "unreadable data",
    reason="""A data set's folder or file cannot be read.

    It is damaged, or not in the format that its name promises, or the system refuses to open it.""",
    fields="path reason",
    optional={"hint": ""},
    message="`{path:printable}` cannot be read: {reason}",
    help="{hint}",
)


def _unreadable_images(p: Problem) -> str:
    (name, reason), *others = p.images
    return f"{len(p.images):,} images cannot be read" if others else f"image {quoted(name)} cannot be read: {reason}"


def _unreadable_images_help(p: Problem) -> str:
    if p.since:
        return "it could be read when the run began: put the file back, or mount its folder again"
    if len(p.images) == 1:
        return "remove or replace the file, or leave it out: `on_error = skip`, `ftr data check RECIPE --fix`"
    lines = [f"{quoted(name)}: {reason}" for name, reason in p.images[:_SHOWN]]
    if len(p.images) > _SHOWN:
        lines.append(f"and {len(p.images) - _SHOWN:,} more")
    others = "or leave them out (`on_error = skip`, `ftr data check RECIPE --fix`)"
    return "\n".join([f"remove or replace these files, {others}:", *lines])


UnreadableImages = Kind(
    "E512",
    "unreadable images",
    reason="""Image files are damaged, cut off, or not images at all (a web page saved as .jpg, say).

    They are never skipped silently, since the data would then differ from what the recipe says. `images` holds each
    one's path in its source and the reason; `since` says that they could be read when the run began.""",
    fields="images",
    optional={"since": False},
    message=_unreadable_images,
    help=_unreadable_images_help,
)

UnequalSizes = Kind(
    "E513",
    "unequal sizes",
    reason="""The images of a batch must have one size, so the last geometric step must give a fixed one.

    `resize(256px)` sets the shorter side alone and keeps the proportions; a crop after it makes the size fixed.""",
    fields="name size expected",
    message=(
        "image `{name:printable}` is {size[0]} x {size[1]} pixels after its transforms,"
        " others are {expected[0]} x {expected[1]}"
    ),
    help="end with a crop, such as center_crop(224px)",
)

SetTooSmall = Kind(
    "E516",
    "set too small",
    reason="""A set is too small to be used: training needs at least one whole batch, other sets at least one image.

    The last, partial batch of an epoch is dropped in training, so a smaller set would train nothing.""",
    fields="set_name count needed",
    message="the {set_name} set has {count:counted image}, fewer than {needed:,}",
    help=lambda p: (
        f"a batch has {counted(p.needed, 'image')}: make `batch` smaller, or add images"
        if p.set_name == "train"
        else "hold out a larger part, or add images"
    ),
)

TooFewImages = Kind(
    "E517",
    "too few images",
    reason="The recipe asks for more images than the source has.",
    fields="wanted count",
    message="{wanted:counted image} are requested, but the source has {count:,}",
    help="ask for at most {count:,}",
)

ClassesNotThere = Kind(
    "E565",
    "classes not there",
    reason="""A map of classes names classes of the training set, letter by letter; what it leaves must be classes to
    tell apart: two at least, where each image has one.""",
    fields="names classes nearest",
    message=lambda p: (
        f"the training set has no class {a_few(p.names)}"
        if p.names
        else f"the map of classes leaves {counted(len(p.classes), 'class', 'classes')}"
    ),
    help=lambda p: (
        (f"did you mean {quoted(p.nearest)}? " if p.nearest else "") + f"its classes are {a_few(p.classes)}"
        if p.names
        else "drop or merge fewer"
    ),
)

NoWeight = Kind(
    "E588",
    "no weight",
    reason="Images of weight 0 count for nothing in training. Where all have it, nothing is learned.",
    fields="count",
    message="all {count:counted training image} have the weight 0",
    help="name another column, or leave out `weights`",
)

ImagesWithoutGroup = Kind(
    "E566",
    "images without a group",
    reason="""Images that belong together, such as those of a patient, go into one set. Here the names of some do not
    say where they belong.

    `by = folder` goes by the folder that holds an image, which must not be that of its class; `by = pattern("…")` by
    what the first parentheses of a regular expression match in the file's name, or with a slash in it, in the path.""",
    fields="count example",
    optional={"pattern": "", "column": ""},
    message=lambda p: (
        f"{counted(p.count, 'image is', 'images are')} of no table with a column {quoted(p.column)}"
        if p.column
        else f"the pattern does not match the name of {counted(p.count, 'image')}, such as {quoted(p.example)}"
        if p.pattern
        else f"{counted(p.count, 'image lies', 'images lie')} in no folder of a group, such as {quoted(p.example)}"
    ),
    help=lambda p: (
        'write one that fits all of them, as `by = pattern("(.+)_[0-9]+")`'
        if p.pattern
        else 'go by the name of the file, `by = pattern("(.+)_[0-9]+")`, or by a column of a table'
    ),
)

TooFewGroups = Kind(
    "E567",
    "too few groups",
    reason="Images that belong together go into one set as a whole, so there must be a group for each set.",
    fields="groups parts",
    message="the images are of {groups:counted group}, too few for {parts:counted part}",
    help="is this what tells the groups apart? Each set, or fold, needs one of its own",
)

OneTime = Kind(
    "E568",
    "one time",
    reason="The newest images are those behind a cut, and images of the same time are on one side of it.",
    fields="time count",
    message="{count:counted image}, all of the same time, `{time:printable}`: there is no newest part",
    help="name another column, or leave out `latest`",
)

WeightsOfOtherClasses = Kind(
    "E594",
    "weights of other classes",
    reason="""Weights of classes are those of the classes that training has.

    A map names some of them, `{ "cat" = 2 }`, and the others have 1; a list has a number for each, in their order.""",
    fields="reason classes",
    message="the weights do not fit the classes: {reason}",
    help=lambda p: f"the classes are {a_few(p.classes)}",
)

ExcludesNothing = Kind(
    "E553",
    "excludes nothing",
    reason="""A line of the list that `exclude` names matches no image, so that an image that was to be left out may be
    used.

    Each line is an image's path relative to its source, with slashes, or its row's key; lines that begin with `#`
    are comments. Below a line `[train]`, `[valid]` or `[test]` they concern the source of that field only.""",
    fields="path line name",
    optional={"more": 0, "nearest": ""},
    message=(
        "line {line} of `{path:printable}` matches no image: `{name:printable}`{more:if  (and {more:,} more lines)}"
    ),
    help=(
        "did you mean `{nearest:printable}`?",
        "write paths relative to the source; remove lines of images that are gone",
    ),
)
