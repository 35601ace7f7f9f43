"""The page of `bench/frozen.py`: from its results to Markdown tables and a plot."""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frozen_plot import draw

Result = Mapping[str, Any]
DATA = {"solar": "Solar cells", "fashion": "Fashion-MNIST"}
PROGRAMS = {"ftr": "ftr", "gluon": "Gluon loop", "torch": "PyTorch"}
LOOPS = ("gluon", "torch")


def stage_s(run: Result, stage: int) -> float:
    """Return the seconds of all epochs of a stage; those that were not run cost as much as the later ones that were."""
    seconds: Sequence[float] = run["stages_s"][stage]
    return float(sum(seconds) + (run["of"][stage] - len(seconds)) * statistics.median(seconds[1:] or seconds))


def whole_s(run: Result) -> float:
    """Return the seconds of the whole process, with all epochs of its stages."""
    missing = sum(stage_s(run, stage) - sum(seconds) for stage, seconds in enumerate(run["stages_s"]))
    return float(run["wall_s"] + missing)


def later_epoch_s(run: Result, stage: int) -> float:
    """Return the seconds of a stage's later epoch; of the only one where one was run."""
    seconds: Sequence[float] = run["stages_s"][stage]
    return float(statistics.median(seconds[1:] or seconds))


@dataclass(frozen=True, slots=True)
class Row:
    """One network and case on one data set: the runs of each program."""

    data: str
    net: str
    case: str
    images: int
    runs: Mapping[str, Sequence[Result]]

    @property
    def name(self) -> str:
        """Network and data set."""
        return f"{self.net} | {DATA[self.data]}"

    def median(self, program: str, figure: Callable[[Result], float]) -> float | None:
        """Return the median of a figure over a program's runs; None where there is none."""
        found = [figure(run) for run in self.runs.get(program, ())]
        return statistics.median(found) if found else None

    def ratio(self, program: str, figure: Callable[[Result], float]) -> float | None:
        """Return how many times as long as ftr a program takes."""
        theirs, ours = self.median(program, figure), self.median("ftr", figure)
        return theirs / ours if theirs and ours else None

    def partly(self, program: str) -> bool:
        """Whether a program ran a part of its epochs."""
        return any(run["epochs"] != run["of"] for run in self.runs.get(program, ()))

    def least_s(self) -> float | None:
        """Return the seconds in which all images pass the frozen part once, its layers joined: no stage is shorter."""
        speed = self.median("fused", lambda run: run["images_per_s"])
        return self.images / speed if speed else None


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Group results by data, network, case and number of images, in the order of their first run."""
    groups: dict[tuple[str, str, str, int], dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        groups[result["data"], result["net"], result["case"], result["images"]][result["program"]].append(result)
    order = list(DATA)
    return sorted((Row(*key, runs) for key, runs in groups.items()), key=lambda row: order.index(row.data))


def _cell(value: float | None, form: str, about: bool = False) -> str:
    return "" if value is None else ("≈ " if about else "") + format(value, form)


def _seconds(row: Row, figure: Callable[[Result], float], form: str = ".1f") -> list[str]:
    return [_cell(row.median(program, figure), form, row.partly(program)) for program in PROGRAMS]


def _ratios(row: Row, figure: Callable[[Result], float]) -> list[str]:
    return [_cell(row.ratio(program, figure), ".1f", row.partly(program)) for program in LOOPS]


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    columns = " | ".join(heads).split(" | ")
    rows = [" | ".join(line) for line in lines]
    return "\n".join(f"| {row} |" for row in [" | ".join(columns), " | ".join(["---"] * len(columns)), *rows]) + "\n"


def _repeats(row: Row) -> str:
    counts = [len(row.runs.get(program, ())) for program in PROGRAMS if program in row.runs]
    return " to ".join(str(count) for count in sorted({min(counts), max(counts)}))


NAME = ("network | data",)
TIMES = tuple(f"{name} (s)" for name in PROGRAMS.values())
RATIOS = tuple(f"{PROGRAMS[program]} / ftr" for program in LOOPS)


def head_stage(rows: Sequence[Row]) -> str:
    """Return the table of the stage that trains a new classifier only."""
    lines = []
    for row in rows:
        gluon, torch = _ratios(row, lambda run: stage_s(run, 0))
        least, loop = row.least_s(), row.median("gluon", lambda run: stage_s(run, 0))
        ours = row.median("ftr", lambda run: stage_s(run, 0))
        bound = _cell(loop / least if loop and least else None, ".1f", row.partly("gluon"))
        reached = _cell(least / ours if least and ours else None, ".0%")
        times = _seconds(row, lambda run: stage_s(run, 0))
        lines.append([row.name, *times, gluon, bound, reached, torch, *_ratios(row, lambda run: later_epoch_s(run, 0))])
    heads = [*NAME, *TIMES, RATIOS[0], "bound", "reached", RATIOS[1], *(f"later epoch: {ratio}" for ratio in RATIOS)]
    return table(heads, lines)


def last_block(rows: Sequence[Row]) -> str:
    """Return the table of the stage that trains the last block and the classifier."""
    heads = [*NAME, *TIMES, *RATIOS, "later epoch: ftr (s)", *(f"later epoch: {ratio}" for ratio in RATIOS)]
    return table(
        heads,
        [
            [
                row.name,
                *_seconds(row, lambda run: stage_s(run, 1)),
                *_ratios(row, lambda run: stage_s(run, 1)),
                _cell(row.median("ftr", lambda run: later_epoch_s(run, 1)), ".2f"),
                *_ratios(row, lambda run: later_epoch_s(run, 1)),
            ]
            for row in rows
        ],
    )


def whole_process(rows: Sequence[Row]) -> str:
    """Return the table of both stages, from the start of the process to its end."""
    lines = []
    for row in rows:
        run = next((run for program in LOOPS for run in row.runs.get(program, ())), None)
        ran = f"{' + '.join(map(str, run['epochs']))} of {' + '.join(map(str, run['of']))}" if run else ""
        times, ratios = _seconds(row, whole_s), _ratios(row, whole_s)
        lines.append([row.name, str(row.images), _repeats(row), ran, *times, *ratios])
    return table([*NAME, "images", "repeats", "epochs the loops ran", *TIMES, *RATIOS], lines)


def everything(rows: Sequence[Row]) -> str:
    """Return the table of the epoch with nothing frozen."""
    heads = [*NAME, "images", "repeats", *TIMES, *RATIOS, *(f"whole process: {ratio}" for ratio in RATIOS)]
    return table(
        heads,
        [
            [
                *(row.name, str(row.images), _repeats(row)),
                *_seconds(row, lambda run: stage_s(run, 0)),
                *_ratios(row, lambda run: stage_s(run, 0)),
                *_ratios(row, whole_s),
            ]
            for row in rows
        ],
    )


def random_crops(rows: Sequence[Row]) -> str:
    """Return the table of the epochs in which no image is the same twice."""
    lines = []
    for row in rows:
        cells: list[str] = []
        for figure in (lambda run: run["stages_s"][0][0], lambda run: later_epoch_s(run, 0)):
            cells += [*_seconds(row, figure), *_ratios(row, figure)]
        lines.append([row.name, str(row.images), _repeats(row), *cells])
    heads = [f"{epoch} epoch: {head}" for epoch in ("first", "later") for head in (*TIMES, *RATIOS)]
    return table([*NAME, "images", "repeats", *heads], lines)


def accuracy(rows: Sequence[Row]) -> str:
    """Return the table of accuracies: mean and range over the seeds. A loop that ran fewer epochs has none."""

    def shown(row: Row, program: str) -> str:
        values = [run["accuracies"][-1] for run in row.runs.get(program, ())]
        if not values or row.partly(program):
            return ""
        return f"{statistics.mean(values):.3f}" + (f" ({min(values):.3f} .. {max(values):.3f})" if values[1:] else "")

    lines = [
        [row.name, row.case, str(row.images // 5), _repeats(row), *(shown(row, program) for program in PROGRAMS)]
        for row in rows
    ]
    return table([*NAME, "trained", "validation images", "seeds", *PROGRAMS.values()], lines)


def memory(rows: Sequence[Row]) -> str:
    """Return the table of peak memory."""
    lines = []
    for row in rows:
        peaks = [_cell(row.median(program, lambda run: run["memory_mb"]), ".0f") for program in PROGRAMS]
        own = [_cell(row.median(program, lambda run: run["own_mb"]), ".0f") for program in PROGRAMS]
        lines.append([row.name, row.case, *peaks, *own])
    names = [*PROGRAMS.values()]
    heads = [*(f"{name} (MB)" for name in names), *(f"without file pages: {name} (MB)" for name in names)]
    return table([*NAME, "trained", *heads], lines)


def processor() -> str:
    """Return the processor's name as Linux gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions(python: str, names: Sequence[str]) -> str:
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = subprocess.run([python, "-c", code, *names], check=True, capture_output=True, text=True).stdout.split()
    return ", ".join(f"{name} {number}" for name, number in zip(names, found, strict=True))


BARS: dict[str, tuple[str, Callable[[Result], float]]] = {
    "head, 5 epochs": ("two stages", lambda run: stage_s(run, 0)),
    "last block, 5 more epochs": ("two stages", lambda run: stage_s(run, 1)),
    "both, whole process": ("two stages", whole_s),
    "everything, 1 epoch": ("everything", lambda run: stage_s(run, 0)),
    "head, random crops: later epoch": ("random crops", lambda run: later_epoch_s(run, 0)),
}
SECTIONS = (
    ("Whole process: two stages", "WHOLE", "two stages", whole_process),
    ("Head only: 5 epochs", "HEAD", "two stages", head_stage),
    ("Last block: 5 epochs more", "LAST", "two stages", last_block),
    ("Everything: one epoch", "EVERYTHING", "everything", everything),
    ("Head with random crops: two epochs", "CROPS", "random crops", random_crops),
    ("Accuracy", "ACCURACY", "", accuracy),
    ("Memory", "MEMORY", "", memory),
)


def bars(rows: Sequence[Row]) -> dict[str, list[tuple[str, dict[str, tuple[float, str]]]]]:
    """Return for each panel of the plot its lines: a name, and how many times as long as ftr each loop takes."""
    panels: dict[str, list[tuple[str, dict[str, tuple[float, str]]]]] = {}
    for title, (case, figure) in BARS.items():
        lines = []
        for row in (row for row in rows if row.case == case):
            ratios = {
                PROGRAMS[program]: (ratio, _cell(ratio, ".1f", row.partly(program)))
                for program in LOOPS
                if (ratio := row.ratio(program, figure))
            }
            lines.append((row.net if row.data == "solar" else f"{row.net}, {DATA[row.data]}", ratios))
        panels[title] = lines
    return panels


def write_page(path: Path, results: Sequence[Result], torch_python: str | None) -> None:
    """Write the page, and a plot beside it under the same name.

    Raises:
        SystemExit: there is no result.
    """
    rows = rows_of(results)
    others = [result["others"] for result in results if result["program"] != "fused"]
    if not others:
        sys.exit("there is nothing to show yet")
    versions = _versions(sys.executable, ("mxnet", "gluoncv", "numpy"))
    versions += ", " + _versions(torch_python, ("torch", "torchvision")) if torch_python else ""
    picture = path.with_suffix(".png")
    draw(picture, bars(rows))
    text = PAGE.format(
        threads=results[0]["threads"],
        processor=processor(),
        versions=versions,
        others=statistics.median(others),
        most=max(others),
        picture=picture.name,
    )
    for title, prose, case, make in SECTIONS:
        chosen = [row for row in rows if row.case == case or not case]
        if chosen:
            text += f"\n## {title}\n\n{PROSE[prose]}\n{make(chosen)}"
    path.write_text(text, encoding="utf-8")


PAGE = """\
# Speed

Written by `python bench/frozen.py --torch-python PYTHON --write docs/speed.md`, which says how it is measured and can
be stopped and started again. ftr, a loop in Gluon as GluonCV's tutorials have it, and a loop in PyTorch train the same
network on the same image files, from the same weights, batch 32, with Adam.

{threads} threads ({processor}); {versions}.
Figures are medians over the repeats, each a process of its own and with a seed of its own. Meanwhile other processes
took {others:.0%} of the machine's processors in the median run, {most:.0%} in the worst.

How to read it:

- A ratio says how many times as long as ftr a loop takes: 2.0 is twice as long, 1.0 the same.
- **≈ marks a time that is worked out.** The slow loops ran fewer epochs than ftr, as the table of whole processes
  says. Their epochs of a stage all cost the same, so that each one that is missing was counted like the median of the
  later ones that were run; where only one was run, like that one, and as a first epoch has a start to make, the loop
  then looks a little slower than it is. ftr has always run all of its epochs.
- A stage is training and validation after each epoch. A whole process is all that a person waits for: imports, reading,
  training, saving. ftr begins with an empty cache on the disk and writes it; it also tests each image file before it
  trains, measures the final weights once more, exports them and draws curves.
- EfficientNet-Lite0 has its ImageNet weights. The others have random ones, so that their accuracy says no more than
  that the programs learn alike. The side is 128 px for EfficientNet-Lite0 and MobileNetV2, 224 px for the ResNets.
- A fifth of the images are for validation.

![time of the loops, ftr = 1]({picture})
"""
PROSE = {
    "WHOLE": """\
5 epochs of a new classifier, then 5 of the last block and the classifier.
""",
    "HEAD": """\
The first of the two stages. `bound` is how many times as fast as the Gluon loop it could be if nothing but the frozen
part took time: its layers joined, and each image passing once (epochs times speed of the joined part, over the loop's
speed). `reached` is the share of the bound that ftr reaches.
""",
    "LAST": """\
The second of the two stages. What lies before the last block was kept in the first.
""",
    "EVERYTHING": """\
Nothing is frozen and nothing kept: an image costs the same however many there are, and fewer are enough.
""",
    "CROPS": """\
`random_resized_crop` and `flip`: no training image is the same twice, so that only the validation set's is kept. The
first epoch is with all that a stage begins with.
""",
    "ACCURACY": """\
On the validation set after the last epoch: mean, and range over the seeds. A loop that ran fewer epochs has none.
The Gluon loop's frozen norms use each batch's statistics in training and move their own, as in the tutorials: it trains
on other features than it is measured with, which can cost it accuracy. It also resizes as Gluon does (bilinear, without
antialiasing).
""",
    "MEMORY": """\
The peak of the largest process. What ftr keeps beyond its budget of memory lies in a file that is mapped: its pages
count, but the system takes them back when it needs them; without file pages is what is left. The loops have two more
processes each that read images, which are not counted; ftr has none.
""",
}
