"""What can keep `ftr new` from writing a recipe for a folder or a table of images (E530 to E535)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from runtime.data.problems import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReadableImage(Problem):
    """None of the image files that `ftr new` opened can be read, so their size is unknown and nothing could train.

    It opens at most 200 files, spread over all classes. `images` holds the first ones, each with the reason.
    """

    code: ClassVar[str] = "E530"
    path: str
    looked: int
    images: tuple[tuple[str, str], ...]

    def message(self) -> str:
        return f"none of the {self.looked:,} images looked at in {quoted(self.path)} can be read"

    def help(self) -> str:
        reasons = [f"{quoted(name)}: {reason}" for name, reason in self.images]
        return "\n".join(["the files must be JPEG, PNG or the like; the first ones are:", *reasons])


@dataclass(frozen=True, slots=True, kw_only=True)
class NoImageColumn(Problem):
    """A table of images has a column whose cells are the paths of image files, with their endings.

    The paths start at the table's folder, or at a folder beside the table. The first line names the columns.
    """

    code: ClassVar[str] = "E531"
    path: str
    columns: tuple[str, ...]
    hint: str = ""

    def message(self) -> str:
        return f"no column of {quoted(self.path)} holds paths of images that are there"

    def help(self) -> str:
        columns = ", ".join(map(quoted, self.columns[:8]))
        return self.hint or f"its columns are {columns}; one must hold paths such as photos/1.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLabelColumn(Problem):
    """A table of images has a column that names each image's class.

    Without a usual name, such as `label` or `class`, a column counts where it has at least two different values,
    and each of them stands in two rows on average.
    """

    code: ClassVar[str] = "E532"
    path: str
    columns: tuple[str, ...]
    hint: str = ""

    def message(self) -> str:
        return f"no column of {quoted(self.path)} looks like the images' classes"

    def help(self) -> str:
        columns = ", ".join(map(quoted, self.columns[:8]))
        return self.hint or f"its columns are {columns}; call the one with the classes `label`"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeExists(Problem):
    """`ftr new` does not overwrite a file unless it is told to."""

    code: ClassVar[str] = "E533"
    path: str

    def message(self) -> str:
        return f"{quoted(self.path)} already exists"

    def help(self) -> str:
        return "choose another name with `--out FILE`, print with `--out -`, or overwrite it with `--force`"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwritableName(Problem):
    """A recipe is text in UTF-8, and the name of this folder or file is not.

    Such names come from old archives and disks. They can be read, but not written down.
    """

    code: ClassVar[str] = "E534"
    path: str

    def message(self) -> str:
        return f"the name {quoted(self.path)} is not valid UTF-8, so no recipe can name it"

    def help(self) -> str:
        return "rename it"


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingThere(Problem):
    """`ftr new` takes a folder of images, a table of them (CSV), or the name of a set that comes in a package.

    Its argument starts at the current folder, and a path that exists goes before a name.
    """

    code: ClassVar[str] = "E535"
    path: str
    sets: tuple[str, ...]
    nearest: str = ""

    def message(self) -> str:
        return f"there is no folder and no table {quoted(self.path)}"

    def help(self) -> str:
        if self.nearest:
            return f"did you mean {quoted(self.nearest)}?"
        return f"give a folder of images, a CSV file, or one of {', '.join(map(quoted, self.sets))}"
