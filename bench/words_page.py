"""The page of `bench/words.py`: from what was measured to Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from statistics import mean, stdev

from words_rows import MORE_SEEDS, PLAIN, SEEDS, SETS, WORDS, Records, Run, Word, chosen, gains, rows

INTRODUCTION = """# What each word gains

`python bench/words.py --write docs/words.md` trains the plain recipe, and the same with each word in turn: the last
block and a new head of EfficientNet-Lite0, eight epochs, 500 images that train, 500 that validate, 1,000 that test,
everything else as the language has it by default. A seed decides which images these are. Augmentations make four fixed
versions of an image (`views = 4`), but for those that mix a batch.

Figures are differences to the plain recipe with the same seed, in points: the mean over the seeds ± their standard
deviation (in brackets how many seeds). Validation decides which words get five seeds, which of several rates is taken,
and what this page calls a gain: with five seeds a mean of more than twice its standard error. The test set decided
nothing; ECE is the expected calibration error on it, where less is better. Of {rows} rows a few gain by chance: believe
those that gain on the test set as well, or on both sets. What helps depends on the data and on how many images there
are: these are two sets of 500. Words that change nothing here, and those of other tasks, are not on this page.
"""


def page(records: Records) -> str:
    """Return the page as Markdown; rows that were not measured say so."""
    return "\n".join(_page(records)) + "\n"


def _page(records: Records) -> Iterator[str]:
    yield INTRODUCTION.format(rows=sum(1 for _ in rows()))
    for data, images in SETS.items():
        runs = [records[run] for run in _runs(PLAIN, data, records)]
        name = images.metric.replace("_", " ")
        if runs:
            shown = ", ".join(f"{key} {_spread([run[key] for run in runs])}" for key in ("valid", "test", "ece"))
            yield f"{images.title}, the plain recipe, {name} and ECE in percent: {shown} ({len(runs)})."
        else:
            yield f"{images.title}: not measured."
        yield ""
    yield from _summary(records)
    for group, words in WORDS.items():
        yield from ("", f"## {group}", "")
        titles = [f"{images.title}: {name}" for images in SETS.values() for name in ("validation", "test", "ECE")]
        yield f"| | {' | '.join(titles)} |"
        yield "|---" * (1 + len(titles)) + "|"
        for word in words:
            yield f"| `{word.word}` | {' | '.join(cell for data in SETS for cell in _cells(word, data, records))} |"
    yield ""


def _runs(lines: str, data: str, records: Records) -> list[Run]:
    return [run for seed in (*SEEDS, *MORE_SEEDS) if (run := Run(data, lines, seed)) in records]


def _spread(values: list[float], sign: str = "") -> str:
    """Return mean and standard deviation in points."""
    shown = f"{100 * mean(values):{sign}.1f}"
    return f"{shown} ± {100 * stdev(values):.1f}" if len(values) > 1 else shown


def _cells(word: Word, data: str, records: Records) -> tuple[str, ...]:
    """Return the cells of a row for one set of images."""
    if data not in word.sets:
        return ("changes nothing", "", "")
    lines = chosen(word, data, records)
    valid = gains(lines, data, records) if lines is not None else []
    if lines is None or not valid:
        return ("not measured", "", "")
    if any("diverged" in records[run] for run in _runs(lines, data, records)):
        return ("diverged", "", "")
    rate = f" `{lines.split(' = ', 1)[1]}`" if len(word.choices) > 1 else ""
    mark = "**" if is_gain(valid) else ""
    others = (_spread(gains(lines, data, records, name), "+") for name in ("test", "ece"))
    return (f"{mark}{_spread(valid, '+')}{mark} ({len(valid)}){rate}", *others)


def is_gain(differences: list[float]) -> bool:
    """Whether all seeds ran, and the mean difference is more than twice its standard error."""
    seeds = len(SEEDS) + len(MORE_SEEDS)
    return len(differences) == seeds and mean(differences) > 2 * stdev(differences) / sqrt(seeds)


def _summary(records: Records) -> Iterator[str]:
    """Yield a list of the words that gain on each set, and of those whose test set says so as well."""
    for data, images in SETS.items():
        found = []
        for word in rows():
            lines = chosen(word, data, records) if data in word.sets else None
            if lines and is_gain(gains(lines, data, records)):
                on_test = mean(gains(lines, data, records, "test"))
                found.append((on_test, f"`{word.word}` ({100 * on_test:+.1f} on the test set)"))
        listed = ", ".join(shown for _, shown in sorted(found, reverse=True)) or "none so far"
        yield f"- {images.title} gain with: {listed}."
