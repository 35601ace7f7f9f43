"""What is wrong with the images of a recipe: `check_data(listings, …)` gives a `DataReport`.

Every image is read once, and its content hashed once where the cache does not know it. A finding is of a kind
(`KINDS`) and holds groups of images that belong together, each with what is to be said of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recipe_lang.check.checked import CallValue
from runtime.data.content_hashes import content_hashes
from runtime.data.images import USUAL, Reading
from runtime.data.listing import DroppedObject, ImageRef, Listing, Sample
from runtime.data.sources.annotations import INVERTED, NO_AREA, OUTSIDE
from runtime.data.sources.files import passed_over
from runtime.data.sources.skipped import PassedOver
from runtime.data.tally import Tally, dark
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.system.cache.disk import FeatureCache
from runtime.tasks.classification.targets import UNEQUAL
from runtime.tasks.protocol import Task, counts
from runtime.workflows.data_check.near_duplicates import FLAT, near_pairs
from runtime.workflows.data_check.shared_groups import shared_groups, told
from runtime.workflows.data_check.thumbnails import Thumbnail, thumbnail_of, thumbnails

_RANK = {"test": 0, "valid": 1, "train": 2}  # of copies in several sets the one for measuring is kept
_LONG = 3.0  # longer to shorter side, beside what is usual in the set
_RARE = 0.1  # share of the images up to which a kind of pixels is out of the ordinary


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding: its title, why it matters, whether `--strict` fails for it, and whether a list excludes it.

    `excluded` is `all` for every image of a group, `copies` for all but one, and empty where a person decides.
    """

    title: str
    why: str
    serious: bool = False
    excluded: str = ""


KINDS: Mapping[str, Kind] = {
    "broken": Kind("cannot be read", "A run stops at them, or continues without them.", True, "all"),
    "labels": Kind(
        "one image, several labels",
        "Files of the same content, or nearly so, have different labels: at most one of them is right.",
        True,
        "all",
    ),
    "leaks": Kind(
        "the same image in several sets",
        "Metrics on images that were trained on say nothing about new images.",
        True,
        "copies",
    ),
    "near_leaks": Kind(
        "nearly the same image in several sets",
        "They differ like images that were saved again, resized, mirrored or made brighter: metrics on one set are"
        " biased by the other.",
        True,
        "copies",
    ),
    "groups": Kind(
        "one group in several sets",
        "Images of a group, as of a patient, are alike: what is learned of one set flatters the metrics on the other.",
        True,
    ),
    "copies": Kind(
        "the same image twice in a set", "Duplicates count several times and teach nothing new.", False, "copies"
    ),
    "near_copies": Kind("nearly the same image in a set", "They may be duplicates, or shots in a row of one thing."),
    "frame": Kind(
        "annotation of another image",
        "The size in the annotation has other proportions: boxes are in other places than where they were drawn. Of an"
        " image that EXIF turns, the annotation may be of the picture as it is stored.",
        True,
        "all",
    ),
    "scaled": Kind(
        "annotation of another size", "The boxes are scaled to the image; look whether they lie where they should."
    ),
    "box_inverted": Kind(
        "boxes that end before they begin",
        "They are left out. A tool may have swapped corners, or written width and height for them.",
        True,
    ),
    "box_outside": Kind(
        "boxes outside of their image", "They are left out. The image may have been cropped or resized.", True
    ),
    "box_empty": Kind("boxes without an area", "They are left out: clicks, mostly.", True),
    "box_classes": Kind(
        "one box, several classes", "A network is to answer both, and can keep one: at most one is right, mostly.", True
    ),
    "box_twice": Kind("the same box twice", "One of the two can be found, the other counts as missed."),
    "tiny": Kind(
        "objects too small to learn",
        "A side has less than two pixels in the network's input: they are not learned, and count as missed. A larger"
        " `size` shows more of them.",
    ),
    "empty": Kind(
        "images without objects", "Fine where there is nothing; where objects were forgotten they teach to find none."
    ),
    "mask_unfit": Kind(
        "masks that do not fit",
        "They cannot be read, have the proportions of another image, or a value that stands for no class: a run stops"
        " at them, or continues without their images.",
        True,
        "all",
    ),
    "mask_scaled": Kind(
        "masks of another size", "They are scaled to the image by the nearest pixel; look whether they lie on it."
    ),
    "mask_empty": Kind(
        "masks of one class", "Fine where an image shows nothing else; a mask that was forgotten looks the same."
    ),
    "one_set": Kind(
        "classes that a set lacks", "What is not in training is not learned; what is in it alone is not measured."
    ),
    "blank": Kind("nearly blank", f"The standard deviation of the brightness is below {FLAT:g} of 255."),
    "transparent": Kind(
        "transparent",
        "They are flattened onto white; `flatten_alpha` in `prepare` chooses. Programs that ignore transparency show"
        " the colours that it hides.",
    ),
    "levels": Kind(
        "narrow value range",
        "Such as 12-bit camera data in 16 bits: the images are nearly black. `levels` in `prepare` says which value is"
        " white.",
    ),
    "shapes": Kind(
        "unusual shapes", f"They are longer by a factor of {_LONG:g} than is usual here: a crop loses much."
    ),
    "small": Kind("smaller than the network's image", "They are enlarged, and show less detail than the others."),
    "modes": Kind("unusual pixel formats", "Most images are of another format; a model may learn that difference."),
    "turned": Kind("turned by EXIF", "A run turns them upright, as viewers do; programs that ignore EXIF do not."),
    "several": Kind(
        "several images in one file", "A run takes the first: of an animation, of pages, of the photos of two lenses."
    ),
    "balance": Kind("class imbalance", f"The largest class has more than {UNEQUAL} times the images of the smallest."),
    "classes": Kind("classes that may be the same", "What is learned of one thing is divided between them."),
    "suspects": Kind(
        "labels that may be wrong",
        "To a model that had not seen the image its label is far less likely than is usual in its class. Look:"
        " it may as well be right, and the image hard.",
    ),
}
"""The kinds of findings, the worst first."""


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image of a set, with its target as text and the name of the source's field that it comes from.

    `value` is the target itself, of what `names` name; `left_out` are objects that take no part.
    """

    set: str
    id: str
    target: str
    source: str
    image: ImageRef
    value: Any = field(compare=False)
    names: tuple[str, ...]
    left_out: tuple[DroppedObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Images that belong together, and what is to be said of them."""

    images: tuple[CheckedImage, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class DataReport:
    """What was found, by kind in the order of `KINDS`; counts of images by set and group; sizes and kinds of pixels.

    `seen` are all images; `together` are the positions of those that are the same, or nearly so. `passed` is what lies
    among the images and takes no part, sorted by path. `reading` is how the recipe has the images read.
    """

    targets: str  # how many there are: `of 3 classes`
    groups: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    modes: Mapping[str, int]
    found: Mapping[str, tuple[Group, ...]]
    seen: tuple[CheckedImage, ...]
    together: tuple[tuple[int, ...], ...]
    passed: tuple[PassedOver, ...] = ()
    reading: Reading = USUAL

    @property
    def serious(self) -> bool:
        """Whether there is a finding for which `--strict` fails, or what seems to be an image takes no part."""
        return any(KINDS[kind].serious for kind in self.found) or any(each.is_image for each in self.passed)


Progress = Callable[[str, int, int], None]


def checked_images(
    listings: Mapping[str, Listing], split: Iterable[str], task: Task
) -> tuple[list[CheckedImage], list[Sample]]:
    """Return the images of all sets, and the samples behind them; `split` are the sets that are parts of `train`."""
    parts = set(split)
    seen, samples = [], []
    for name, listing in listings.items():
        source = "train" if name in parts else name
        left_out: dict[str, list[DroppedObject]] = defaultdict(list)
        for each in listing.left_out:
            left_out[each.id].append(each)
        for sample in listing.samples:
            target, more = task.text(sample.target, listing.names), tuple(left_out.get(sample.id, ()))
            seen.append(CheckedImage(name, sample.id, target, source, sample.image, sample.target, listing.names, more))
            samples.append(sample)
    return seen, samples


def check_data(
    listings: Mapping[str, Listing],
    split: Iterable[str],
    task: Task,
    size: Size,
    threads: int,
    cache: FeatureCache | None,
    progress: Progress = lambda what, done, total: None,
    prepare: Sequence[Component] = (),
    by: str | CallValue | None = None,
) -> DataReport:
    """Look at all images of a recipe's sets; `size` is that of the network's image.

    Those of the steps `prepare` that say how a file is read are heeded. `by` is what images belong together by.

    `progress` is called with what is done at the moment, how many images are done, and of how many.
    """
    seen, samples = checked_images(listings, split, task)
    hashes = content_hashes(samples, threads, cache, lambda *n: progress("reading", *n))
    reading = Reading.of(prepare)
    found = list(thumbnails(samples, threads, lambda *n: progress("looking at", *n), reading))
    progress("comparing", 0, len(samples))
    same = same_images(hashes)
    near = _near(found, same)
    groups = _groups(seen, found, same, near, task)
    for kind, index, note in _single([image.image for image in seen], found, size, reading):
        groups[kind].append(Group((seen[index],), note))
    for kind, group in _undecided(seen, found, {step.name for step in prepare}):
        groups[kind].append(group)
    first = next(iter(listings.values()))
    readable = [look for look in found if not look.fault]
    sizes = Counter(str(look.size) for look in readable)
    modes = Counter(look.mode for look in readable)
    for kind, index, note in _of_targets(seen, found, task, size):
        groups[kind].append(Group((seen[index],), note))
    for kind, note in task.findings(listings):
        groups[kind].append(Group((), note))
    place = {(image.set, image.id): image for image in seen}
    for name, shared in shared_groups(listings, by) if by is not None else ():
        images = tuple(place[each, ids[0]] for each, ids in shared.items())
        groups["groups"].append(Group(images, told(name, shared)))
    by_kind = {kind: tuple(made) for kind in KINDS if (made := groups.get(kind))}
    return DataReport(
        task.counted(first.names),
        task.groups(first.names),
        {name: counts(task, listing) for name, listing in listings.items()},
        dict(sizes.most_common()),
        dict(modes.most_common()),
        by_kind,
        tuple(seen),
        (*same, *near),
        tuple(sorted(passed_over(listings.values()), key=lambda each: each.path)),
        reading,
    )


def same_images(hashes: Sequence[bytes | None]) -> list[tuple[int, ...]]:
    """Return the positions that have the same content, in groups of two or more."""
    indices: dict[bytes, list[int]] = defaultdict(list)
    for index, content in enumerate(hashes):
        if content is not None:
            indices[content].append(index)
    return [tuple(group) for group in indices.values() if len(group) > 1]


def _near(found: Sequence[Thumbnail], same: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return the positions that are nearly the same, in groups; of copies one is compared, and all are in its group."""
    copies = {indices[0]: indices for indices in same}
    behind = {index for indices in copies.values() for index in indices[1:]}
    pairs = near_pairs([None if index in behind else look for index, look in enumerate(found)])
    return [tuple(each for index in indices for each in copies.get(index, (index,))) for indices in _joined(pairs)]


def _groups(
    seen: Sequence[CheckedImage],
    found: Sequence[Thumbnail],
    same: Iterable[tuple[int, ...]],
    near: Iterable[tuple[int, ...]],
    task: Task,
) -> dict[str, list[Group]]:
    groups: dict[str, list[Group]] = defaultdict(list)
    for indices in same:
        if not found[indices[0]].fault:
            images = [seen[index] for index in indices]
            groups[_kind_of_copies(images, task, nearly=False)].append(_ordered(images, task))
    for indices in near:
        images = [seen[index] for index in indices]
        kind = _kind_of_copies(images, task, nearly=True)
        groups[kind if kind == "labels" else f"near_{kind}"].append(_ordered(images, task))
    return groups


def _kind_of_copies(images: Sequence[CheckedImage], task: Task, *, nearly: bool) -> str:
    if any(task.contradict(images[0].target, image.target, nearly=nearly) for image in images):
        return "labels"
    return "leaks" if len({image.set for image in images}) > 1 else "copies"


def _ordered(images: Iterable[CheckedImage], task: Task) -> Group:
    first, *others = sorted(images, key=lambda image: (_RANK[image.set], image.id))
    notes = dict.fromkeys(task.compared(first.value, each.value) for each in others)
    return Group((first, *others), ", ".join(filter(None, notes)))


_LEFT_OUT = {INVERTED: "box_inverted", NO_AREA: "box_empty", OUTSIDE: "box_outside"}


def _of_targets(
    seen: Sequence[CheckedImage], found: Sequence[Thumbnail], task: Task, size: Size
) -> Iterator[tuple[str, int, str]]:
    """Yield kind, position and note of what concerns the target of an image that can be read."""
    for index, (image, look) in enumerate(zip(seen, found, strict=True)):
        for each in image.left_out:
            if each.why in _LEFT_OUT:
                corners = ", ".join(f"{side:g}" for side in each.corners)
                yield _LEFT_OUT[each.why], index, f"{each.name}: {corners}"
        if not look.fault:
            for kind, note in task.image_findings(image.value, look.upright, size, image.names):
                yield kind, index, note


def _joined(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return the groups that pairs hang together in."""
    above: dict[int, int] = {}

    def top(index: int) -> int:
        while above.setdefault(index, index) != index:
            above[index] = index = above[above[index]]
        return index

    for one, other in pairs:
        above[top(other)] = top(one)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in sorted(above):
        groups[top(index)].append(index)
    return [tuple(group) for group in groups.values()]


def _single(
    images: Sequence[ImageRef], found: Sequence[Thumbnail], size: Size, reading: Reading
) -> Iterator[tuple[str, int, str]]:
    """Yield kind, position and note of what concerns an image alone."""
    sound = [(index, look) for index, look in enumerate(found) if not look.fault]
    yield from (("broken", index, look.fault) for index, look in enumerate(found) if look.fault)
    if not sound:
        return
    ratios = np.log([look.size.width / look.size.height for _, look in sound])
    usual = np.exp(np.abs(ratios - np.median(ratios)))
    modes = Counter(look.mode for _, look in sound)
    # Sets of small images, as digits, are enlarged as a whole: that is no finding about one of them.
    enlarged = np.median([min(look.size) for _, look in sound]) < min(size)
    for (index, look), factor in zip(sound, usual, strict=True):
        if look.spread < FLAT:
            yield "blank", index, f"standard deviation {look.spread:.1f}{_over_another(look, images[index], reading)}"
        if factor > _LONG:
            yield "shapes", index, str(look.size)
        if min(look.size) < min(size) and not enlarged:
            yield "small", index, str(look.size)
        if modes[look.mode] <= _RARE * len(sound):
            yield "modes", index, look.mode
        if look.turned:
            yield "turned", index, str(look.size)
        if look.several:
            yield "several", index, ""


def _over_another(look: Thumbnail, image: ImageRef, reading: Reading) -> str:
    """Say how a blank image with transparency would look over another ground."""
    if not look.traits.transparent:
        return ""
    ground = "black" if reading.flatten_alpha == "white" else "white"
    return f", onto {ground} {thumbnail_of(image, replace(reading, flatten_alpha=ground)).spread:.1f}"


def _undecided(
    seen: Sequence[CheckedImage], found: Sequence[Thumbnail], chosen: Container[str]
) -> Iterator[tuple[str, Group]]:
    """Yield what is to be said of images with transparency or early ends, where no step has been `chosen` for them."""
    if "flatten_alpha" not in chosen:
        yield from (("transparent", Group((seen[n],))) for n, look in enumerate(found) if look.traits.transparent)
    tally = Tally()
    for look in found:
        tally.add(look.traits)
    if tally.levels is not None and "levels" not in chosen:
        yield "levels", Group((), f"{dark(tally.deep, tally.peak)}; `levels({tally.levels})` makes that white")
