"""The rows of `bench/words.py`: the plain recipe, what each word replaces in it, and how their runs compare."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from runtime.training.optimizers import OPTIMIZERS  # noqa: E402
from runtime.vocabulary import VOCABULARY  # noqa: E402

SEEDS, MORE_SEEDS = (1, 2, 3), (4, 5)
PLAIN = ""  # the lines of the plain recipe itself: none


@dataclass(frozen=True, slots=True)
class Images:
    """A set of images: its source, the side that the network sees, and the metric that its classes ask for."""

    title: str
    train: str
    side: int
    metric: str


SETS = {
    "solar": Images("Solar cells", "solar_cells", 128, "balanced_accuracy"),
    "fashion": Images("Fashion-MNIST", "fashion_mnist", 64, "accuracy"),
}


def plain(images: Images, seed: int) -> dict[str, dict[str, str]]:
    """Return the plain recipe: the values of fields, by block; 500 images train, 500 validate, 1,000 test."""
    return {
        "": {"seed": f"{seed}", "head": "[dense(classes)]"},
        "data": {
            "train": images.train,
            "take": "2000 images",
            "valid": "holdout(25%)",
            "test": "holdout(50%)",
            "size": f"{images.side}px",
        },
        "stage": {"train": "base.block7 .. head", "for": "8 epochs", "optimizer": "adam(lr = 1e-3)"},
    }


def text(images: Images, lines: str, seed: int) -> str:
    """Return the plain recipe with lines replaced or added; a line that is no field of it stands in the stage."""
    blocks = plain(images, seed)
    added = []
    for line in filter(None, lines.split("\n")):
        name, value = match.groups() if (match := re.match(r"(\w+) *= (.*)", line)) else (line, "")
        fields = {"": VOCABULARY.fields, **{each: VOCABULARY.blocks[each].fields for each in ("stage", "data")}}
        place = next((place for place in fields if match and name in fields[place]), None)
        if place is None:
            added.append(line)
        else:
            blocks[place][name] = value
    written = {place: [f"{name} = {value}" for name, value in block.items()] for place, block in blocks.items()}
    stage = [*written["stage"], *added]
    return "\n".join(
        ["ftr 1", *written[""], "data {", *written["data"], "}", 'stage "all" {', *stage, "}", ""],
    )


@dataclass(frozen=True, slots=True)
class Word:
    """A row: the word, and the lines that it replaces or adds; of several `choices` the best of the first seed."""

    word: str
    choices: tuple[str, ...]
    sets: tuple[str, ...] = tuple(SETS)


def _augmented(step: str) -> Word:
    return Word(step, (f"augment = [{step}]\nviews = 4",))


def _without_views(step: str) -> Word:
    """Return a row of a step that makes two versions of an image anyway, or mixes images anew each time."""
    return Word(step, (f"augment = [{step}]",))


def _lines(*lines: str, sets: tuple[str, ...] = tuple(SETS)) -> tuple[Word, ...]:
    return tuple(Word(line.replace("\n", ", "), (line,), sets) for line in lines)


def _optimizer(name: str) -> Word:
    """Return a row of an optimizer at its default rate, a third of it and three times it."""
    default = next(arg.default for arg in OPTIMIZERS[name].entry.args if arg.name == "lr")
    rates = (f"optimizer = {name}(lr = {default * factor:.3g})" for factor in (1, 0.3, 3))
    return Word(f"optimizer = {name}", tuple(rates))


RARE = ("solar",)  # the classes of Fashion-MNIST are equal: there these are the plain recipe

WORDS: Mapping[str, tuple[Word, ...]] = {
    "Parts": _lines(
        "train = head",
        "train = head\noptimizer = adam(lr = 5e-3)",
        "train = base.block6 .. head",
        "norm = frozen",
        "lr_scale = { base.block7 = 0.3 }",
        "train = base.block6 .. head\nlr_scale = layer_decay(0.5)",
    ),
    "Augmentations": (
        *map(_without_views, ("flip", "flip(vertical)")),
        *map(_augmented, ("random_crop(padding = 8px)", "random_resized_crop")),
        _augmented("random_resized_crop(scale = 0.5 .. 1.0)"),
        *map(_augmented, ("color_jitter(0.2)", "lighting", "rotation(15)")),
        *map(_augmented, ("affine(degrees = 10, translate = 10%, scale = 0.9 .. 1.1)", "perspective(0.3)")),
        *map(_augmented, ("blur", "sharpness(2)", "posterize(4)", "solarize(128)", "grayscale(p = 0.5)")),
        *map(_augmented, ("equalize", "autocontrast", "invert", "erasing(50%)")),
    ),
    "Policies": tuple(map(_augmented, ("rand_augment", "trivial_augment", "auto_augment", "aug_mix"))),
    "Fixed views": tuple(
        Word(f"views = {views}", (f"augment = [flip, random_resized_crop(scale = 0.5 .. 1.0)]\nviews = {views}",))
        for views in (1, 2, 4, 8)
    ),
    "Mixing": tuple(map(_without_views, ("mixup", "mixup(alpha = 1)", "cutmix", "cutmix(p = 0.5)"))),
    "Losses": _lines(
        "loss = cross_entropy(label_smoothing = 0.1)",
        "loss = focal",
    ),
    "Rare classes": _lines(
        "loss = cross_entropy(weights = balanced)",
        "loss = cross_entropy(weights = sqrt)",
        "loss = logit_adjusted",
        "sampling = balanced",
        "sampling = weighted(sqrt)",
        "head = [dense(classes, bias = priors)]",
        "threshold = best(valid.balanced_accuracy)",
        sets=RARE,
    ),
    "Optimizers": tuple(map(_optimizer, OPTIMIZERS)),
    "Schedules": _lines(
        "schedule = constant",
        "schedule = step(every = 3 epochs, factor = 0.3)",
        "schedule = multistep(at = [4 epochs, 6 epochs], factor = 0.3)",
        "schedule = exponential(factor = 0.7)",
        "schedule = polynomial(power = 2)",
        "schedule = linear",
        "schedule = cosine(warmup = 1 epoch)",
        "schedule = one_cycle",
        "schedule = cosine_restarts(every = 4 epochs)",
        "schedule = inverse_sqrt",
        "schedule = reduce_on_plateau(valid.loss, patience = 1 epoch)",
        "schedule = constant(for = 60%) then cosine",
    ),
    "Averages and the choice of weights": _lines(
        "average = ema(0.9)",
        "average = ema(0.99)",
        "average = swa(start = 50%)\nschedule = constant",
        "average = lookahead",
        "monitor = valid.loss\nkeep = greedy_soup",
        "monitor = valid.loss",
        "monitor = valid.accuracy",
        "stop = early(valid.loss, patience = 2 epochs)",
    ),
    "Regularization": _lines(
        "optimizer = adam(lr = 1e-3, weight_decay = 1e-3)",
        "optimizer = adamw(lr = 1e-3, weight_decay = 0.1)",
        "l1 = 1e-5",
        "l2_sp = 0.01",
        "sam = 0.05",
        "stochastic_depth = 10%",
        "clip = global_norm(1.0)",
        "clip = value(0.01)",
    ),
    "Switches": _lines(
        "augment = [flip, mixup]\nfrom 75% { augment = [flip] }",
        "size = 64px\nfrom 50% { size = shared }",
        sets=("solar",),
    ),
    "Batches": _lines("batch = 8", "batch = 16", "batch = 64", "accumulate = 4\nbatch = 8", "accumulate = 2"),
    "Heads": _lines(
        "head = [dense(classes, init = class_means)]",
        "head = [dropout(0.2), dense(classes)]",
        "head = [dropout(0.5), dense(classes)]",
        "head = [gem, dense(classes)]",
        "head = [global_max_pool, dense(classes)]",
        "head = [global_avg_max_pool, dense(classes)]",
        "head = [mlp(classes, hidden = 256)]",
        "head = [dense(256, init = he), batch_norm, relu, dense(classes)]",
        "head = [cosine_classifier(classes)]",
        "head = [bn_neck, dense(classes, bias = none)]",
        "head = [dense(classes, init = zeros)]",
    ),
    "What predicts": _lines("tta = [flip]", "calibrate = temperature"),
    "Numbers": _lines("features = half"),
}
"""The rows of each group, in the order of the page."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the set, what replaces the plain recipe's lines, and the seed."""

    data: str
    lines: str
    seed: int


Records = Mapping[Run, Mapping[str, float]]
"""What was measured of each run: the set's metric on `valid` and `test`, `ece` on the test set, `seconds`."""


def rows() -> Iterator[Word]:
    """Yield the rows of all groups."""
    for group in WORDS.values():
        yield from group


def chosen(word: Word, data: str, records: Records) -> str | None:
    """Return the lines of a row: those that are best on validation with the first seed; None before all have run."""
    runs = [Run(data, lines, SEEDS[0]) for lines in word.choices]
    if len(runs) > 1 and not all(run in records for run in runs):
        return None
    return runs[0].lines if len(runs) == 1 else max(runs, key=lambda run: records[run]["valid"]).lines


def gains(lines: str, data: str, records: Records, set_name: str = "valid", seeds: tuple[int, ...] = ()) -> list[float]:
    """Return by how much a row is better than the plain recipe on a set, for each seed with which both have run."""
    return [
        records[run][set_name] - records[base][set_name]
        for seed in seeds or (*SEEDS, *MORE_SEEDS)
        for run, base in ((Run(data, lines, seed), Run(data, PLAIN, seed)),)
        if run in records and base in records
    ]
