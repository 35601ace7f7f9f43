"""The page of `bench/frozen.py`: from its results to Markdown tables and a plot."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
CROPPED = "head, random crops"
NAMES = {"solar": "Solar cells", "fashion": "Fashion-MNIST"}
LOOPS = {"gluon": "Gluon loop", "torch": "PyTorch"}


@dataclass(frozen=True, slots=True)
class Row:
    """One network and case on one data set: the runs of each program."""

    data: str
    net: str
    case: str
    runs: Mapping[str, Sequence[Result]]

    def median(self, program: str, figure: str) -> float | None:
        """Return the median of a figure over a program's runs; None where there is none."""
        found: list[float] = [run[figure] for run in self.runs.get(program, ()) if run[figure] is not None]
        return statistics.median(found) if found else None

    def ratio(self, program: str, figure: str = "wall_s") -> float | None:
        """Return how many times as long as ftr a program takes."""
        theirs, ours = self.median(program, figure), self.median("ftr", figure)
        return theirs / ours if theirs and ours else None

    def least_s(self) -> float | None:
        """Return the seconds that the fused frozen part needs at least for all that passes it.

        That is each image once, and with random crops the training images once per epoch.
        """
        speed = self.median("fused", "images_per_s")
        ours = self.runs.get("ftr")
        if not speed or not ours:
            return None
        images, epochs = ours[0]["images"], len(ours[0]["epochs_s"])
        valid = images // 5
        return ((images - valid) * (epochs if self.case == CROPPED else 1) + valid) / speed


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Group results by data, network and case, in the order of their first run."""
    groups: dict[tuple[str, str, str], dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        groups[result["data"], result["net"], result["case"]][result["program"]].append(result)
    return [Row(*key, runs) for key, runs in groups.items()]


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---", "---", *["---:"] * (len(heads) - 2)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def whole(rows: Sequence[Row]) -> str:
    """Return the table of whole processes."""
    heads = ["network", "trained", "ftr (s)", *(f"{name} (s)" for name in LOOPS.values())]
    heads += [*(f"{name} / ftr" for name in LOOPS.values()), "accuracy: ftr", *LOOPS.values()]
    programs = ("ftr", *LOOPS)
    return _table(
        heads,
        [
            [
                *(row.net, row.case),
                *(_cell(row.median(program, "wall_s"), ".1f") for program in programs),
                *(_cell(row.ratio(program), ".1f") for program in LOOPS),
                *(_cell(row.median(program, "accuracy"), ".3f") for program in programs),
            ]
            for row in rows
        ],
    )


def inside(rows: Sequence[Row]) -> str:
    """Return the table of the stages alone: training and evaluation, without start and end of the process."""
    programs = ("ftr", *LOOPS)
    heads = ["network", "trained", "Gluon loop / ftr", "bound", "reached", "PyTorch / ftr"]
    heads += ["later epoch (s): ftr", *LOOPS.values(), "memory (MB): ftr", *LOOPS.values()]
    lines = []
    for row in rows:
        least, ours, loop = row.least_s(), row.median("ftr", "training_s"), row.median("gluon", "training_s")
        lines.append(
            [
                *(row.net, row.case, _cell(row.ratio("gluon", "training_s"), ".1f")),
                _cell(loop / least if loop and least else None, ".1f"),
                _cell(least / ours if least and ours else None, ".0%"),
                _cell(row.ratio("torch", "training_s"), ".1f"),
                *(_cell(row.median(program, "later_epoch_s"), ".2f") for program in programs),
                *(_cell(row.median(program, "memory_mb"), ".0f") for program in programs),
            ]
        )
    return _table(heads, lines)


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Draw how many times as long as ftr the others take, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.42 * len(rows)), layout="constrained")
    for number, (program, name) in enumerate(LOOPS.items()):
        known = [(place, ratio) for place, row in enumerate(rows) if (ratio := row.ratio(program))]
        places = [place + 0.4 * number for place, _ in known]
        bars = axes.barh(places, [ratio - 1 for _, ratio in known], 0.4, left=1, label=name)
        axes.bar_label(bars, [f"{ratio:.1f}" for _, ratio in known], padding=3, fontsize=8)
    axes.set_yticks([place + 0.2 for place in range(len(rows))])
    axes.set_yticklabels([f"{NAMES[row.data]}, {row.net}: {row.case}" for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize=8)
    axes.margins(x=0.1)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("time of the whole process, ftr = 1")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _processor() -> str:
    """Return the processor's name as Linux gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions(python: str, names: Sequence[str]) -> str:
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True).stdout.split()
    return ", ".join(f"{name} {number}" for name, number in zip(names, found, strict=True))


def write_page(path: Path, results: Sequence[Result], torch_python: str | None) -> None:
    """Write the page, and a plot beside it under the same name."""
    rows = rows_of(results)
    first = results[0]
    repeats = sorted({len(runs) for row in rows for program, runs in row.runs.items() if program != "fused"})
    others = [result["others"] for result in results if result["program"] != "fused"]
    versions = _versions(sys.executable, ("mxnet", "gluoncv", "numpy"))
    versions += ", " + _versions(torch_python, ("torch", "torchvision")) if torch_python else ""
    picture = path.with_suffix(".png")
    draw(picture, rows)
    text = PAGE.format(
        images=first["images"],
        threads=first["threads"],
        processor=_processor(),
        versions=versions,
        repeats=" to ".join(str(count) for count in dict.fromkeys((repeats[0], repeats[-1]))),
        others=statistics.median(others),
        most=max(others),
        picture=picture.name,
    )
    for data in dict.fromkeys(row.data for row in rows):
        chosen = [row for row in rows if row.data == data]
        text += f"\n## {NAMES[data]}\n\n### Whole process\n\n{whole(chosen)}\n### The stages alone\n\n{inside(chosen)}"
    path.write_text(text, encoding="utf-8")


PAGE = """\
# Speed

Written by `python bench/frozen.py --write docs/speed.md`, which says how it is measured: ftr, a Gluon loop as GluonCV's
tutorials have it, and PyTorch train the same network on the same files, batch 32.

{images:,} images of each set, a fifth of them for validation; {threads} threads ({processor});
{versions}. Medians; runs of each: {repeats}.
Meanwhile other processes took {others:.0%} of the machine's processors in the median run, {most:.0%} in the worst.

- `head`: 5 epochs of a new classifier. `last block`: 5 epochs of the last block and the classifier. `two stages`: the
  one, then the other. `everything`: one epoch with nothing frozen. `head, random crops`: `head` with
  `random_resized_crop` and `flip`, so that no image is the same twice.
- **Whole process** is all that a person waits for: imports, reading, training, a validation after each epoch, saving.
  The cache of frozen parts on the disk is empty when ftr begins, and ftr writes it. It also
  tests each image file before it trains, measures the final weights once more, exports them and draws curves.
- **The stages alone** is training and validation. `bound` is how many times as fast as the Gluon loop it could be if
  nothing but the frozen part took time: its layers fused, each image passing once (a random crop once per epoch).
  `reached` is the share of it that ftr reaches.
- `later epoch` is an epoch, with its validation, after a stage's first. `memory` is the peak of the largest process;
  the loops have two more processes each that read images, ftr has none.
- Accuracy is that on the validation set after the last epoch. EfficientNet-Lite0 has its ImageNet weights; the others
  have random ones, so that their accuracy only says that the programs learn alike. The Gluon loop resizes as Gluon
  does (bilinear, without antialiasing), and its frozen norms use the batch's statistics in training.

![time of the whole process, ftr = 1]({picture})
"""
