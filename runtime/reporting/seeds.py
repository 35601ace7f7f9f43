"""What several runs of one recipe show together, for people: means with their intervals, and the claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recipe_lang.words import listed
from runtime.reporting.console import say
from runtime.reporting.epoch_line import number
from runtime.reporting.plan import duration
from runtime.reporting.progress import verdict_on
from runtime.runs.seeds import SETS, SeedRun
from runtime.tasks.catalog import TASKS, USUAL


def run_line(run: SeedRun) -> Text:
    """Return a line on a run that has ended: its metric on each set."""
    task = TASKS.get(str(run.result.get("task", USUAL.name)), USUAL)
    values = [
        f"{name} {task.monitor.replace('_', ' ')} {number(value, 4)}"
        for name in SETS
        if (value := run.value(name, task.monitor)) is not None
    ]
    took = run.result.get("wall_s")
    return Text(f"  seed {run.seed}: {', '.join([*values, *([duration(took)] if took is not None else [])])}", "green")


def show_summary(console: Console, summary: Mapping[str, Any], folder: object) -> None:
    """Print the mean of each metric with its interval and the spread of the runs, the claims, and where it all is."""
    seeds = summary["seeds"]
    say(console, f"{summary['recipe']}: {len(seeds)} seeds, {_range(seeds)}", "italic")
    task = TASKS[summary.get("task", USUAL.name)]
    sets = [name for name in SETS if summary.get(name)]
    table = Table()
    table.add_column("")
    for name in sets:
        table.add_column(f"{name}, mean", justify="right", no_wrap=True)
        table.add_column("spread", justify="right", no_wrap=True)
    for metric in (each for each in task.metrics if any(each in summary[name] for name in sets)):
        cells = (cell for name in sets for cell in _cells(summary[name].get(metric)))
        table.add_row(metric.replace("_", " "), *cells)
    console.print(table)
    say(console, "mean ± half of its 95% interval (Student's t); spread: the standard deviation of the runs", "dim")
    for claim in summary["expect"]:
        console.print(claim_line(claim, len(seeds)), soft_wrap=True)
    say(console, f"{duration(summary['wall_s'])} in all; folder of the runs: {folder}")


def claim_line(claim: Mapping[str, Any], runs: int) -> Text:
    """Return a line on a claim of a summary."""
    style, verdict = verdict_on(claim)
    return Text.assemble("claim ", claim["claim"], ": ", (verdict, style), _reached(claim, runs))


def _cells(found: Mapping[str, float] | None) -> tuple[str, str]:
    if found is None:
        return "", ""
    return f"{number(found['mean'], 4)} ± {number((found['high'] - found['low']) / 2, 4)}", number(found["spread"], 4)


def _reached(claim: Mapping[str, Any], runs: int) -> str:
    if "holds_in" in claim:
        return f" in {claim['holds_in']} of {runs} runs"
    if claim["value"] is None:
        return " (not measured by all runs)"
    found = f" ({claim['value']:.4f}, 95% interval {claim['low']:.4f} to {claim['high']:.4f}"
    return f"{found}, over {claim['over']} seeds)"


def _range(seeds: list[int]) -> str:
    is_row = seeds == list(range(seeds[0], seeds[0] + len(seeds)))
    return f"{seeds[0]} to {seeds[-1]}" if is_row else listed(tuple(map(str, seeds)), "and")
