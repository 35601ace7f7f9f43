"""Folders that are sets, not classes: `train` and `test`, `seg_train` and `seg_test`, `training_set` and `test_set`.

In go the names of the folders beside each other, and of those in them; out comes which folder is which set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

# What people call the three sets.
ROLES = {
    **dict.fromkeys(("train", "training", "trainset", "trainval"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev", "eval", "validset", "valset"), "valid"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}
# Words of folders that lie beside sets, and hold no labelled images.
_UNLABELLED = frozenset(
    ("unlabeled", "unlabelled", "unsup", "pred", "predict", "prediction", "predictions", "submission")
)
# Words that say nothing of what the images show.
_EMPTY = frozenset(
    ("set", "data", "dataset", "split", "images", "image", "imgs", "img", "photos", "pictures", "folder")
)
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, without numbers: `seg_train`, `SegTrain2` and `seg train` are alike."""
    return _WORD.findall(_CAMEL.sub(" ", name).lower())


def role_of(name: str) -> str | None:
    """Return which set a folder or a table is by its name; None where no word of it says so, or words contradict."""
    roles = {ROLES[word] for word in _words(name) if word in ROLES}
    return roles.pop() if len(roles) == 1 else None


def _rest(name: str) -> frozenset[str]:
    return frozenset(_words(name)).difference(ROLES, _EMPTY)


def sets_among(folders: Sequence[str], inside: Callable[[str], Sequence[str]]) -> dict[str, str]:
    """Return the folders that are sets, by name, and which; empty where the folders are classes.

    `inside` gives the names of the folders in one of them; it is asked only where names leave it open. A class may be
    called `train`: folders are sets where at least two different ones are named alike but for that, and either all
    folders are or the training set has folders itself; or where the sets share most of their folders.
    """
    roles = {name: role for name in folders if (role := role_of(name))}
    if len(set(roles.values())) < 2:
        return {}
    for rest in dict.fromkeys(map(_rest, roles)):
        alike = {name: role for name, role in roles.items() if _rest(name) == rest}
        train = [name for name, role in alike.items() if role == "train"]
        others = [name for name in folders if name not in alike and not _UNLABELLED & set(_words(name))]
        if len(set(alike.values())) > 1 and (not others or any(len(inside(name)) > 1 for name in train)):
            return _first_of_each(alike)
    return _first_of_each(roles) if shared([inside(name) for name in roles]) else {}


def _first_of_each(roles: Mapping[str, str]) -> dict[str, str]:
    """Return one folder of each set: the one with the shortest name."""
    found = {role: name for name, role in sorted(roles.items(), key=lambda pair: (-len(pair[0]), pair[0]))}
    return {name: role for name, role in roles.items() if found[role] == name}


def shared(inside: Iterable[Iterable[str]]) -> list[str]:
    """Return the names that all folders have in them, sorted, where they are at least two and most of the names."""
    names = [set(each) for each in inside]
    common = set.intersection(*names) if names else set()
    return sorted(common) if len(common) > 1 and 2 * len(common) >= len(set.union(*names)) else []


def folders_within(ids: Iterable[str]) -> dict[str, set[str]]:
    """Return by class the folders right in it that hold images, told from the images' paths below the classes."""
    found: dict[str, set[str]] = {}
    for name in ids:
        label, *between, _ = name.split("/", 2)
        found.setdefault(label, set()).update(between)
    return found


def sets_within(found: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names of the sets that lie in the classes, as in `cat/train` and `cat/test`; empty where none do."""
    roles = [{role_of(name) for name in each} for each in found.values()]
    if any(None in each for each in roles) or sum(len(each) > 1 for each in roles) < 2:
        return []
    return sorted({name for each in found.values() for name in each})


def classes_within(found: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names that seem to be the classes, one level below the folders that are taken for classes.

    All folders have them, and there are at least as many of them as of these folders: rather `day/cat`, `day/dog`,
    `night/cat`, `night/dog` than photos of each class that were sorted once more.
    """
    common = shared(found.values())
    return common if len(common) >= len(found) > 1 else []
