"""What a comparison of two recipes shows, for people and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from recipe_lang.words import counted
from runtime.plan.types import as_json
from runtime.reporting.console import say
from runtime.reporting.epoch_line import number
from runtime.workflows.compare import Comparison, Pair

_ON_TEST = "settings are chosen on validation, never on test: this says how good a choice is, and must not make it"


def show_comparison(console: Console, found: Comparison) -> None:
    """Print the pairs, the mean of their differences with its interval, and the verdict."""
    say(console, f"A: {found.a}    B: {found.b}    {found.set}.{found.metric}", "italic")
    has_answers = any(pair.answers for pair in found.pairs)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in ("seed", "A", "B", "B - A", *(("only A right", "only B right", "p (McNemar)") if has_answers else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for pair in found.pairs:
        table.add_row(*_row(pair, has_answers))
    console.print(table)
    if found.mean is not None:
        mean = found.mean
        interval = f"95% interval {mean.low:+.4f} to {mean.high:+.4f}, by Student's t over {len(found.pairs)} pairs"
        say(console, f"mean of B - A: {mean.mean:+.4f}, {interval}")
    for line in (*_smallest(found), *found.notes, *([_ON_TEST] if found.set == "test" else [])):
        say(console, line, "dim")
    say(console, found.verdict, "bold green" if found.better else "bold")


def _row(pair: Pair, has_answers: bool) -> tuple[str, ...]:
    seeds = str(pair.a.seed) if pair.a.seed == pair.b.seed else f"{pair.a.seed}, {pair.b.seed}"
    values = seeds, number(pair.value_a, 4), number(pair.value_b, 4), f"{pair.difference:+.4f}"
    if not has_answers:
        return values
    answers = pair.answers
    told = (str(answers.only_a), str(answers.only_b), f"{answers.p:.3g}") if answers else ("", "", "")
    return (*values, *told)


def _smallest(found: Comparison) -> list[str]:
    """Say what difference in accuracy the images could show between two runs."""
    answers = [pair.answers for pair in found.pairs if pair.answers]
    if not answers:
        return []
    least = min(each.smallest for each in answers)
    images = counted(answers[0].images, "image")
    return [
        f"p is of these two runs on these images, by themselves; between two runs that disagree as these, {images} can "
        f"show a difference in accuracy of {100 * least:.1f} points or more"
    ]


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as plain data."""
    return {
        "a": found.a,
        "b": found.b,
        "metric": f"{found.set}.{found.metric}",
        "verdict": found.verdict,
        "better": found.better or None,
        "difference": as_json(found.mean),
        "pairs": [
            {
                "seeds": [pair.a.seed, pair.b.seed],
                "a": pair.value_a,
                "b": pair.value_b,
                "difference": pair.difference,
                "answers": None if pair.answers is None else _answers(pair),
            }
            for pair in found.pairs
        ],
        "notes": list(found.notes),
    }


def _answers(pair: Pair) -> dict[str, Any]:
    assert pair.answers is not None
    found = pair.answers
    return {**as_json(found), "p": found.p, "smallest": found.smallest}
