"""What can be wrong with the images and the tables that a recipe names (E501 to E519, E576 to E578).

Each problem carries plain values (paths as text, names, counts); the caller adds the place in the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from recipe_lang.problem import Problem
from recipe_lang.words import counted, listed, printable
from runtime.data.similar_labels import told_apart

_SHOWN = 5


def quoted(text: object) -> str:
    """Return a path or a name between backticks, with characters that no terminal can print replaced."""
    return f"`{printable(text)}`"


def names_of(names: Sequence[str], total: int | None = None) -> str:
    """Return the first of some names, and how many more there are."""
    shown = ", ".join(quoted(name) for name in names[:_SHOWN])
    more = (len(names) if total is None else total) - min(len(names), _SHOWN)
    return f"{shown} and {more} more" if more > 0 else shown


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPath(Problem):
    """A data source names a folder or a file that is not there, or the one where the other is expected.

    Paths in a recipe are relative to the file that writes them; `--data-root` moves all relative data paths.
    """

    code: ClassVar[str] = "E501"
    path: str
    wanted: str
    found: str = ""
    nearest: str = ""
    hint: str = ""

    def message(self) -> str:
        """Say which path is missing, or of which other kind it is."""
        if self.found:
            return f"{quoted(self.path)} is a {self.found}, and a {self.wanted} is expected"
        return f"there is no {self.wanted} {quoted(self.path)}"

    def help(self) -> str:
        """Suggest the path that looks most alike."""
        if self.hint or self.nearest:
            return self.hint or f"did you mean {quoted(self.nearest)}?"
        return "" if self.found else "the recipe's relative paths start at its folder, or at `--data-root FOLDER`"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoClassFolders(Problem):
    """A folder of training images must hold one subfolder for each class, and the class's images inside it.

    Images that lie directly in the folder have no class. Hidden folders do not count.
    """

    code: ClassVar[str] = "E502"
    path: str
    loose: int
    passed: str = ""

    def message(self) -> str:
        """Say that there is no class, and what there is in its place."""
        inside = f"{counted(self.loose, 'image')} directly inside" if self.loose else "nothing to read"
        inside += f"; {self.passed}" if self.passed else ""
        return f"{quoted(self.path)} has no class folders: it has {inside}"

    def help(self) -> str:
        """Show the layout that is expected."""
        return "make one subfolder per class (roses/1.jpg, tulips/1.jpg), or use csv for a table of labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetsAsClasses(Problem):
    """The subfolders of this folder are data sets (train, valid, test) and not classes.

    Name each of them as a source of its own. Otherwise the model would learn to tell the training set from
    the test set. `sets` are those that have class folders, as (field of the data block, path).
    """

    code: ClassVar[str] = "E503"
    path: str
    names: tuple[str, ...]
    sets: tuple[tuple[str, str], ...] = ()

    def message(self) -> str:
        """Say which folders would become classes."""
        return f"the folders in {quoted(self.path)} are sets, not classes: {names_of(self.names)}"

    def help(self) -> str:
        """Write the lines that name each set; as the recipe would, where it is known which one that is."""
        folder = Path() if self.span is None else self.span.source.folder
        lines = [
            f"{field} = folder({json.dumps(_below(path, folder), ensure_ascii=False)})" for field, path in self.sets
        ]
        return (
            "\n".join(["give each set its own folder:", *map(printable, lines)])
            if lines
            else (f"give each set its own folder, such as {quoted(self.path + '/' + self.names[0])}")
        )


def _below(path: str, folder: Path) -> str:
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else path


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyClass(Problem):
    """A class folder holds no image that can be read, so the model could never learn this class.

    JPEG, PNG, WebP, GIF, BMP, TIFF and the like are read, also under other names. Others, such as HEIC or
    camera raw, must be converted first; a link counts if its target exists.
    """

    code: ClassVar[str] = "E504"
    path: str
    names: tuple[str, ...]
    passed: str = ""

    def message(self) -> str:
        """Say which classes are empty."""
        one = len(self.names) == 1
        return (
            f"{'class' if one else 'classes'} {names_of(self.names)} in {quoted(self.path)}"
            f" {'has' if one else 'have'} no image"
        )

    def help(self) -> str:
        """Say what lies there instead."""
        return self.passed or "add images, or remove the folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneClass(Problem):
    """Training data must have at least two classes; with one there is nothing to classify.

    The usual cause is an archive that unpacked into a folder of its own name, one level too deep.
    """

    code: ClassVar[str] = "E505"
    path: str
    name: str
    deeper: str = ""

    def message(self) -> str:
        """Name the only class."""
        return f"{quoted(self.path)} has only one class: {quoted(self.name)}"

    def help(self) -> str:
        """Point at the folder below where that one has class folders."""
        if self.deeper:
            return f"{quoted(self.deeper)} has subfolders: is this the folder that you mean?"
        return "a classifier needs images of at least two classes"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableTable(Problem):
    """A CSV file cannot be read as a table.

    It must be text in UTF-8, with the columns' names in its first line. Columns are separated by commas,
    semicolons, tabs or `|`.
    """

    code: ClassVar[str] = "E506"
    path: str
    reason: str
    hint: str = ""

    def message(self) -> str:
        """Say why the table cannot be read."""
        return f"{quoted(self.path)} cannot be read as a table: {self.reason}"

    def help(self) -> str:
        """Say what is expected."""
        return self.hint or "save it as CSV in UTF-8, with the columns' names in the first line"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingColumn(Problem):
    """A CSV file's first line does not name a column that the recipe asks for.

    Names must match letter by letter.
    """

    code: ClassVar[str] = "E507"
    path: str
    column: str
    columns: tuple[str, ...]
    nearest: str = ""

    def message(self) -> str:
        """Name the missing column."""
        return f"{quoted(self.path)} has no column {quoted(self.column)}"

    def help(self) -> str:
        """List the columns that exist."""
        start = f"did you mean {quoted(self.nearest)}? " if self.nearest else ""
        blanks = "; is it separated by blanks? commas are understood" if len(self.columns) == 1 else ""
        return f"{start}its columns are {names_of(self.columns)}{blanks}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingImages(Problem):
    """Rows of a table name image files that are not there.

    Paths in a table are relative to the table's own folder, or to `root` where it is given.
    """

    code: ClassVar[str] = "E508"
    path: str
    root: str
    names: tuple[str, ...]
    line: int
    total: int
    nearest: str = ""
    hint: str = ""

    def message(self) -> str:
        """Count the missing files and name the first ones."""
        what = counted(self.total, "row names an image that is", "rows name images that are")
        place = f"(first in line {self.line} of {quoted(self.path)})"
        return f"{what} not there: {names_of(self.names, self.total)} {place}"

    def help(self) -> str:
        """Say where the files were looked for."""
        if self.hint:
            return self.hint
        start = f"did you mean {quoted(self.nearest)}? " if self.nearest else ""
        return f"{start}looked in {quoted(self.root)}; `root` names another folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow(Problem):
    """A row of a table cannot be used: its image or its label is empty, or it has more cells than there are columns.

    A comma in a label that is not quoted makes two cells of it. The second one is never dropped: labels that differ
    only after the comma would become one.
    """

    code: ClassVar[str] = "E509"
    path: str
    line: int
    reason: str
    hint: str = "complete or remove the row"
    more: int = 0

    def message(self) -> str:
        """Say what is wrong with which row."""
        others = f"; {counted(self.more, 'more row')} cannot be used" if self.more else ""
        return f"line {self.line} of {quoted(self.path)}: {self.reason}{others}"

    def help(self) -> str:
        """Say what to do about it."""
        return self.hint


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedColumn(Problem):
    """Several columns of a table have the name that the recipe asks for, and any of them could be meant."""

    code: ClassVar[str] = "E576"
    path: str
    column: str
    places: tuple[int, ...]

    def message(self) -> str:
        """Say which columns they are, counted from 1."""
        numbers = ", ".join(str(1 + place) for place in self.places)
        return f"{quoted(self.path)} has {len(self.places)} columns called {quoted(self.column)}: {numbers}"

    def help(self) -> str:
        """Say what to do about it."""
        return "rename all but one in its first line"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedRows(Problem):
    """A table has several rows for an image.

    Rows that are repeated so that a rare class weighs more (oversampling) are copies to a holdout, which puts some of
    them into `train` and others into `valid` or `test`: what is measured there was trained on. Rows with different
    labels contradict each other, since an image has one class.
    """

    code: ClassVar[str] = "E577"
    path: str
    images: int
    rows: int
    unlike: int
    name: str
    lines: tuple[tuple[int, str], ...]

    def message(self) -> str:
        """Count the rows that are too many, and show an image's."""
        images = counted(self.images, "image has", "images have")
        start = f"{images} several rows in {quoted(self.path)}, {self.rows:,} too many: {quoted(self.name)}"
        if self.unlike:
            (line, label), (other, another) = self.lines[0], next(e for e in self.lines if e[1] != self.lines[0][1])
            labels = f"is {quoted(label)} in line {line} and {quoted(another)} in line {other}"
            return f"{start} {labels}; {self.unlike:,} of them {'has' if self.unlike == 1 else 'have'} several labels"
        shown = [f"{line}" for line, _ in self.lines[:_SHOWN]]
        more = f" and {len(self.lines) - _SHOWN} more" if len(self.lines) > _SHOWN else ""
        return f"{start} in lines {', '.join(shown)}{more}"

    def help(self) -> str:
        """Say what to do about it."""
        if self.unlike:
            return "give each image one row: a classifier learns one class of each"
        return (
            "give each image one row: of rows that are repeated for balance (oversampling) a holdout would put copies"
            " into both `train` and `valid`; `monitor = valid.balanced_accuracy` weighs them equally"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsAlike(Problem):
    """Labels of a table, or class folders, look the same and are not: nobody means them as two classes.

    They differ in how an accent is written (as one character, or as a mark after its letter, as macOS writes names of
    files), in the kind or the number of spaces, or in characters that have no width.
    """

    code: ClassVar[str] = "E578"
    path: str
    names: tuple[str, ...]
    where: tuple[str, ...] = ()

    def message(self) -> str:
        """Show them with what differs as escapes."""
        places = self.where or ("",) * len(self.names)
        shown = [f"`{told_apart(name)}` {place}".rstrip() for name, place in zip(self.names, places, strict=True)]
        what = "labels" if self.where else "class folders"
        return f"{quoted(self.path)} has {what} that look the same: {listed(tuple(shown), 'and')}"

    def help(self) -> str:
        """Say what to do about it."""
        return "spell all of these rows the same" if self.where else "put their images into one folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotInstalled(Problem):
    """A data set comes in a package of its own, which is not installed in this environment."""

    code: ClassVar[str] = "E510"
    what: str
    package: str
    command: str

    def message(self) -> str:
        """Say which package is missing."""
        return f"{self.what} needs {quoted(self.package)}, which is not installed"

    def help(self) -> str:
        """Give the command that installs it."""
        return f"run: {self.command}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableData(Problem):
    """A data set's folder or file cannot be read.

    It is damaged, or not in the format that its name promises, or the system refuses to open it.
    """

    code: ClassVar[str] = "E511"
    path: str
    reason: str
    hint: str = ""

    def message(self) -> str:
        """Say what is wrong with it."""
        return f"{quoted(self.path)} cannot be read: {self.reason}"

    def help(self) -> str:
        """Say what to do about it, where there is something to say."""
        return self.hint


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableImages(Problem):
    """Image files are damaged, cut off, or not images at all (a web page saved as .jpg, say).

    They are never skipped silently, since the data would then differ from what the recipe says. `images`
    holds each one's path in its source and the reason; `since` says that they could be read when the run began.
    """

    code: ClassVar[str] = "E512"
    images: tuple[tuple[str, str], ...]
    since: bool = False

    def message(self) -> str:
        """Name the image, or count them."""
        if len(self.images) == 1:
            (name, reason), *_ = self.images
            return f"image {quoted(name)} cannot be read: {reason}"
        return f"{len(self.images):,} images cannot be read"

    def help(self) -> str:
        """List the first ones, each with its reason."""
        if self.since:
            return "it could be read when the run began: put the file back, or mount its folder again"
        if len(self.images) == 1:
            return "remove or replace the file, or leave it out: `on_error = skip`, `ftr data check RECIPE --fix`"
        lines = [f"{quoted(name)}: {reason}" for name, reason in self.images[:_SHOWN]]
        if len(self.images) > _SHOWN:
            lines.append(f"and {len(self.images) - _SHOWN:,} more")
        others = "or leave them out (`on_error = skip`, `ftr data check RECIPE --fix`)"
        return "\n".join([f"remove or replace these files, {others}:", *lines])


@dataclass(frozen=True, slots=True, kw_only=True)
class UnequalSizes(Problem):
    """The images of a batch must have one size, so the last geometric step must give a fixed one.

    `resize(256px)` sets the shorter side alone and keeps the proportions; a crop after it makes the size
    fixed.
    """

    code: ClassVar[str] = "E513"
    name: str
    size: tuple[int, int]
    expected: tuple[int, int]

    def message(self) -> str:
        """Name the image and the two sizes, width first."""
        got, want = (f"{width} x {height}" for width, height in (self.size, self.expected))
        return f"image {quoted(self.name)} is {got} pixels after its transforms, others are {want}"

    def help(self) -> str:
        """Suggest the crop."""
        return "end with a crop, such as center_crop(224px)"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTooSmall(Problem):
    """A set is too small to be used: training needs at least one whole batch, other sets at least one image.

    The last, partial batch of an epoch is dropped in training, so a smaller set would train nothing.
    """

    code: ClassVar[str] = "E516"
    set_name: str
    count: int
    needed: int

    def message(self) -> str:
        """Give both numbers."""
        return f"the {self.set_name} set has {counted(self.count, 'image')}, fewer than {self.needed:,}"

    def help(self) -> str:
        """Say what to do about it."""
        if self.set_name == "train":
            return f"a batch has {counted(self.needed, 'image')}: make `batch` smaller, or add images"
        return "hold out a larger part, or add images"


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFewImages(Problem):
    """The recipe asks for more images than the source has."""

    code: ClassVar[str] = "E517"
    wanted: int
    count: int

    def message(self) -> str:
        """Give both numbers."""
        return f"{counted(self.wanted, 'image')} are requested, but the source has {self.count:,}"

    def help(self) -> str:
        """Give the largest number."""
        return f"ask for at most {self.count:,}"
