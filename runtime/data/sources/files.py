"""Where labelled images come from: what a source is, and folders of images.

In goes what a recipe names; out comes a `Listing` of samples and classes.
Image files are listed, not read. Whatever a user can put right is raised as `RecipeError` without a place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from recipe_lang.problem import Problem, RecipeError
from runtime.data import problems
from runtime.data.formats import why_no_image
from runtime.data.listing import Listing, Sample
from runtime.data.problems import quoted
from runtime.data.similar_labels import alike, seen
from runtime.data.sources.problems import EmptyClass, NoClassFolders, SetsAsClasses
from runtime.data.sources.set_names import sets_among
from runtime.data.sources.skipped import LITTER, PassedOver, ending_of, file_of, passed_line
from runtime.system.files import nearest


def passed_over(listings: Iterable[Listing]) -> tuple[PassedOver, ...]:
    """Return what the sources of listings pass over, each once: two sets may be parts of one source."""
    return tuple({each.path: each for listing in listings for each in listing.passed}.values())


@dataclass(frozen=True, slots=True)
class Layout:
    """How classes lie in a folder: at which level below it, and whether called by their path; which names images have.

    `only` is a pattern such as `*_rgb.png`.
    """

    level: int = 1
    by_path: bool = False
    only: str | None = None


def folder(path: Path, training: bool = True, layout: Layout = Layout()) -> Listing:  # noqa: B008
    """List a folder with one subfolder per class; images may lie at any depth below their class.

    Classes are the subfolders' names, sorted by code points as torchvision's `ImageFolder` sorts them; links are
    followed. An ending tells an image, and where it does not, the file's first bytes do. Hidden files and folders,
    those that programs leave behind (`LITTER`), and all other files are passed over. For a set that only evaluates
    (`training` false) a class may be empty and one class is enough.
    """
    root = existing(path, "folder")
    passed: list[PassedOver] = []
    try:
        places = _class_folders(root, passed, layout)
        inside = frozenset((os.path.realpath(root),))
        found: dict[str, list[tuple[str, Path]]] = {name: [] for name in sorted({name for name, _ in places})}
        for name, place in places:
            found[name] += _images(root / place, place, passed, inside)
        found = {name: sorted(_called(images, layout.only, passed)) for name, images in found.items()}
        if training:
            _check_folder(root, {name: root / place for name, place in places}, found, passed)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise RecipeError(problems.UnreadableData(path=str(fault.filename or root), reason=reason)) from fault
    classes = tuple(found)
    if not classes:
        loose = sum(each.why == _LOOSE for each in passed)
        others = [each for each in passed if each.why != _LOOSE]
        raise RecipeError(NoClassFolders(path=str(root), loose=loose, passed=passed_line(others)))
    if groups := alike(classes, seen):
        raise RecipeError([problems.LabelsAlike(path=str(root), names=group) for group in groups])
    samples = (Sample(name, label, path) for label, images in enumerate(found.values()) for name, path in images)
    return Listing(tuple(samples), classes, tuple(passed))


def images_below(place: Path) -> tuple[list[Path], list[PassedOver]]:
    """Return the images in a folder and below it, sorted, and what is passed over there.

    Raises:
        OSError: a folder cannot be listed.
    """
    passed: list[PassedOver] = []
    return sorted(path for _, path in _images(place, "", passed)), passed


def folders_in(place: Path) -> list[str]:
    """Return the names of a folder's folders, sorted, without hidden ones and litter."""
    with os.scandir(place) as entries:
        return sorted(each.name for each in entries if not _why_unwanted(each.name) and is_folder(each))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; false where nobody can tell, as of a link to itself."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


TABLE_ENDINGS = (".csv", ".tsv", ".jsonl")


def innermost(place: Path) -> Path:
    """Return the folder itself, or the one below it that is reached where each holds a single folder and no data.

    The last one has folders, of classes or sets, and not images alone.
    """
    while len(names := folders_in(place)) == 1 and folders_in(place / names[0]) and not _has_data(place):
        place = place / names[0]
        if len(place.parts) > _DEEPEST:  # links in a circle
            break
    return place


_DEEPEST = 100


def _has_data(place: Path) -> bool:
    files = [place / name for name in os.listdir(place)]
    return any(ending_of(file.name) in TABLE_ENDINGS or is_listed_image(file) for file in files)


def is_listed_image(path: Path) -> bool:
    """Whether a folder's listing would have this file as an image."""
    return not path.name.startswith(".") and path.is_file() and why_no_image(path) is None


_LOOSE = "beside the class folders"


def _class_folders(root: Path, passed: list[PassedOver], layout: Layout) -> list[tuple[str, str]]:
    """Return the classes with the folders of each, as paths below the root; note what lies beside them."""
    around = {os.path.realpath(each) for each in (root, *root.absolute().parents)}
    folders = _folders_beside(root, around, passed)
    if layout.level == 1 and (sets := sets_among(folders, lambda name: folders_in(innermost(root / name)))):
        raise RecipeError(_sets_as_classes(root, sets, folders))
    for _ in range(layout.level - 1):
        folders = [f"{each}/{name}" for each in folders for name in _folders_beside(root / each, around, passed)]
    return [(each if layout.by_path else each.rpartition("/")[2], each) for each in folders]


def _called(
    images: Sequence[tuple[str, Path]], only: str | None, passed: list[PassedOver]
) -> Iterator[tuple[str, Path]]:
    """Yield the images whose file names match a pattern; note the others."""
    for name, path in images:
        if only is None or fnmatchcase(path.name, only):
            yield name, path
        else:
            passed.append(PassedOver(path, ending_of(path.name) or "file", f"not called {only}"))


def _folders_beside(root: Path, around: Collection[str], passed: list[PassedOver]) -> list[str]:
    """Return the names of the folders in a folder, sorted; note what lies beside them."""
    classes = []
    with os.scandir(root) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = root / entry.name
            kind = _kind(entry, path)
            if isinstance(kind, PassedOver):
                passed.append(kind)
            elif kind == "image":
                passed.append(file_of(path, _LOOSE))
            elif entry.is_symlink() and os.path.realpath(path) in around:
                passed.append(PassedOver(path, "link", "to a folder that holds it"))
            else:
                classes.append(entry.name)
    return classes


def _sets_as_classes(root: Path, sets: Mapping[str, str], folders: Sequence[str]) -> Problem:
    # The training set first: it is the one to suggest.
    names = tuple(sorted(folders, key=lambda name: (sets.get(name) != "train", name not in sets, name)))
    places = {role: innermost(root / name) for name, role in sets.items()}
    classes = set(folders_in(places["train"])) if "train" in places else set()
    usable = ((role, places[role]) for role in ("train", "valid", "test") if role in places)
    lines = tuple((role, str(place)) for role, place in usable if classes & set(folders_in(place)))
    return SetsAsClasses(path=str(root), names=names, sets=lines)


def _images(
    place: Path, prefix: str, passed: list[PassedOver], above: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Path]]:
    """Yield (path relative to the source in POSIX form, path) of all images below a folder; note what is none."""
    real = os.path.realpath(place)
    if real in above:
        passed.append(PassedOver(place, "link", "to a folder that holds it"))
        return
    with os.scandir(place) as entries:
        for entry in entries:
            path, name = place / entry.name, f"{prefix}/{entry.name}"
            kind = _kind(entry, path)
            if isinstance(kind, PassedOver):
                passed.append(kind)
            elif kind == "folder":
                yield from _images(path, name, passed, above | {real})
            else:
                yield name, path


def _kind(entry: os.DirEntry[str], path: Path) -> str | PassedOver:
    """Return whether an entry is a `folder` or an `image`, or as what it is passed over."""
    if why := _why_unwanted(entry.name):
        return PassedOver(path, "folder" if is_folder(entry) else "file", why)
    if is_folder(entry):
        return "folder"
    if entry.is_symlink() and not os.path.isfile(path):
        return PassedOver(path, "dangling link", is_image=True)
    if not entry.is_symlink() and not entry.is_file():
        return PassedOver(path, "file", "a pipe, a socket or a device")
    why_not = why_no_image(path)
    return "image" if why_not is None else file_of(path, why_not)


def _why_unwanted(name: str) -> str:
    """Return why a file or folder of this name is passed over whatever it is; empty where it is not."""
    if name.startswith("."):
        return "hidden"
    return f"{name}: {LITTER[name.lower()]}" if name.lower() in LITTER else ""


def _check_folder(
    root: Path,
    places: Mapping[str, Path],
    found: Mapping[str, Sequence[tuple[str, Path]]],
    passed: Sequence[PassedOver],
) -> None:
    if len(found) == 1:
        (name,) = found
        place = innermost(places[name])
        deeper = str(place) if len(folders_in(place)) > 1 else ""
        raise RecipeError(problems.OneClass(path=str(root), name=name, deeper=deeper))
    empty = tuple(name for name, images in found.items() if not images)
    if empty:
        there = [each for each in passed if any(each.path.is_relative_to(places[name]) for name in empty)]
        raise RecipeError(EmptyClass(path=str(root), names=empty, passed=passed_line(there)))


def existing(path: Path, wanted: str) -> Path:
    """Return the path if it is a folder or a file as wanted; raise `RecipeError` with a suggestion if not."""
    right, other = (os.path.isdir, "file") if wanted == "folder" else (os.path.isfile, "folder")
    if right(path):
        return path
    if os.path.exists(path):
        raise RecipeError(problems.MissingPath(path=str(path), wanted=wanted, found=other))
    hint = meant_path(path)
    raise RecipeError(problems.MissingPath(path=str(path), wanted=wanted, nearest=nearest(path), hint=hint))


def meant_path(path: Path, root: Path = Path()) -> str:
    """Say what a path that leads nowhere was meant as: a URL, a home folder, one with backslashes; else nothing."""
    if any(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.]+:", part) for part in path.parts):  # `https:/` is left of `https://`
        return "it is a URL, but files are read from this machine only: download them, and name the files"
    if drive := next((part for part in path.parts if re.match(r"[A-Za-z]:($|\\)", part)), ""):
        return f"{quoted(drive[:2])} is a drive of Windows: write where its files lie on this machine"
    for index, part in enumerate(path.parts):
        if part.startswith("~") and (home := os.path.expanduser(part)) != part:
            return f"`~` is a folder's name here: write {quoted(Path(home, *path.parts[index + 1 :]))}"
    slashes = str(path).translate(_BACKSLASHES)
    if slashes != str(path):
        there = ", which is there" if os.path.exists(root / slashes) else ""
        return f"`/` separates the parts of a path, and a backslash does not: write {quoted(slashes)}{there}"
    return ""


# As they are written, and as the escapes of a string leave `"data\train"` and `"data\new"`.
_BACKSLASHES = str.maketrans({"\\": "/", "\t": "/t", "\n": "/n"})
