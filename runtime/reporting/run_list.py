"""The list of the runs in a folder: when, of which task, how good, how long, and what changed from one to the next.

In go folders; `read_results` gives the content of their `result.json`, `show_runs` prints it side by side.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from recipe_lang.problem import RecipeError
from recipe_lang.words import printable
from runtime.reporting.console import say
from runtime.reporting.noise_marks import MARK, NOTES, marked
from runtime.reporting.plan import duration
from runtime.runs.folder import read_json
from runtime.runs.lock.facts import differences as lock_differences
from runtime.runs.lock.file import LOCK, Facts, read_lock
from runtime.runs.pack.file import opened
from runtime.runs.pack.signature import is_pack
from runtime.runs.resume import differences
from runtime.runs.seeds import SEEDS, SETS, is_summary, read_summary, seed_folder
from runtime.tasks.catalog import TASKS, USUAL


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the results of all runs in a folder, oldest first; a folder without one is an unfinished run.

    `folder` may also be one run, or a pack. Beside what `result.json` holds, each says when the run started, and
    `changed` says what its plan does differently from the last one of the same recipe before it, or which images of
    equal number it has: a recipe's hash tells nothing of files.

    Raises:
        RecipeError: the pack is refused.
    """
    if is_pack(folder):
        with opened(folder) as place:
            return [{**result, "folder": str(folder), "started": ""} for result in read_results(place)]
    if os.path.isfile(folder / "plan.json"):
        places = [folder]
    else:
        places = sorted(folder.glob("*/")) if os.path.isdir(folder) else []
    found = []
    plans: dict[str, tuple[Any, Facts]] = {}
    for place in sorted(places, key=_age):
        started = time.strftime("%Y-%m-%d %H:%M", time.localtime(_age(place)[0]))
        if is_summary(place):
            found.append({**_several(place), "folder": str(place), "started": started})
        if not os.path.isfile(place / "plan.json"):
            continue
        plan = _read(place, "plan.json")
        name, task = (str(plan.get(key) or "") if isinstance(plan, dict) else "" for key in ("name", "task"))
        known = plan, _images(place)
        changed = _changed(plans.get(name, (None, {})), known)
        told: dict[str, Any] = {"folder": str(place), "started": started, "changed": changed}
        told["known_images"] = _by_set(known[1])
        plans |= {name: known} if name else {}
        found.append({"task": task, **_result(place, name), **told})
    return found


def _several(place: Path) -> dict[str, Any]:
    """Return the result of runs with several seeds, in the form of that of one."""
    try:
        summary = read_summary(place)
    except RecipeError:
        return {"recipe": "", "status": "damaged"}
    done, wanted = summary["done"], summary["wanted"]
    status = "finished" if done == wanted else f"{done} of {wanted} seeds"
    images = [_by_set(_images(seed_folder(place, seed))) for seed in summary.get("seeds", ())]
    known = {name: tuple(each[name] for each in images) for name in SETS if all(name in each for each in images)}
    task = {"task": summary.get("task", USUAL.name)} if images else {}
    return {**summary, **task, "status": status, "known_images": known if images else {}}


def _by_set(facts: Facts) -> dict[str, tuple[Any, ...]]:
    """Return which images each set has, as facts of a lock."""
    return {
        name: tuple(sorted((key, fact) for key, fact in facts.items() if key[0] == f"data.{name}"))
        for name in SETS
        if any(key[0] == f"data.{name}" for key in facts)
    }


def _changed(old: tuple[Any, Facts], new: tuple[Any, Facts]) -> list[tuple[str, str, str]]:
    if old[0] is None:
        return []
    try:
        found = list(differences(old[0], new[0]))
    except RecursionError:  # a file that no run wrote
        return []
    if not (old[1] and new[1]) or any(name.startswith("data.counts") for name, _, _ in found):
        return found
    return [*found, *((each.name, each.locked, each.now) for each in lock_differences(old[1], new[1], ("data",)))]


def _images(place: Path) -> Facts:
    """Return the facts of a run's lock on its images; none where it has no sound lock."""
    try:
        facts = read_lock(place / LOCK).facts
    except RecipeError:
        return {}
    return {key: fact for key, fact in facts.items() if key[0].partition(".")[0] == "data"}


def _read(place: Path, name: str) -> Any:
    try:
        return read_json(place, name)
    except RecipeError:
        return None


def _result(place: Path, recipe: str) -> dict[str, Any]:
    try:
        result = read_json(place, "result.json")
    except RecipeError:
        return {"recipe": recipe, "status": "unfinished"}
    return result if _is_sound(result) else {"status": "damaged"}


_SHOWN: dict[str, type | tuple[type, ...]] = {
    "recipe": str,
    "hash": str,
    "status": str,
    "params": dict,
    "valid": dict,
    "test": dict,
    "best": dict,
    "weights_from": dict,
    "expect": list,
    "wall_s": (int, float),
}


def _is_sound(result: Any) -> bool:
    return (
        isinstance(result, dict)
        and all(result.get(name) is None or isinstance(result[name], kind) for name, kind in _SHOWN.items())
        and all(isinstance(claim, dict) and "holds" in claim for claim in result.get("expect") or ())
    )


def _age(place: Path) -> tuple[float, str]:
    try:
        return (place / (SEEDS if is_summary(place) else "plan.json")).stat().st_mtime, place.name
    except OSError:
        return 0.0, place.name


def show_runs(console: Console, found: Sequence[dict[str, Any]], folder: Path) -> None:
    """Print runs side by side, and below what changed from one run of a recipe to the next."""
    if not found:
        say(console, f"no runs in {folder}")
        return
    rows = [_row(result) for result in found]
    marks = marked(found, [row["metric"] for row in rows])
    for (position, name), _ in marks.items():
        rows[position][name] += f" {MARK}"
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    rows, columns = _fitting(rows, console.width)
    for name in columns:
        if name in _FOLDED:
            table.add_column(name, overflow="fold", min_width=_LEAST)
        else:
            side = "right" if name in ("valid", "test", "time") else "left"
            width = max(len(row[name]) for row in rows)
            table.add_column(name, justify=side, no_wrap=True, min_width=width)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    console.print(table)
    for kind in dict.fromkeys(marks.values()):
        say(console, f"{MARK} {NOTES[kind]}", "dim")
    changes = [line for result in found if (line := _changes(result))]
    if changes:
        console.print("changed since the run of the same recipe before it:", style="bold")
    for line in changes:
        say(console, f"  {line}")


_FOLDED, _LEAST = ("run", "recipe", "params", "metric"), 8  # columns whose texts may be broken, and how narrow they get
_DISPENSABLE = ("hash", "recipe", "task", "time", "params", "", "started", "test")
"""The columns that a narrow page goes without, in this order, where dates before they go lose their time of day; most
runs are called as their recipe.
"""
_CHANGES = 4  # that are shown of a run


def _fitting(rows: list[dict[str, str]], width: int) -> tuple[list[dict[str, str]], list[str]]:
    """Return the rows and the columns that hold something and fit, as far as they can."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    for name in _DISPENSABLE:
        if sum(_width(name, rows) + 2 for name in columns) - 2 <= width:
            break
        if not name:
            rows = [{**row, "started": row["started"][:10]} for row in rows]
        columns = [each for each in columns if each != name]
    return rows, columns


def _width(name: str, rows: list[dict[str, str]]) -> int:
    return max(len(name), *(len(row[name]) for row in rows), _LEAST if name in _FOLDED else 0)


def _row(result: dict[str, Any]) -> dict[str, str]:
    metric = _metric(result)
    return {
        "run": Path(result["folder"]).name,
        "started": result["started"],
        "recipe": result.get("recipe") or "",
        "hash": (result.get("hash") or "")[:8],
        "task": str(result.get("task") or ""),
        "params": " ".join(f"{name}={value}" for name, value in (result.get("params") or {}).items()),
        "metric": metric,
        "valid": _value(result.get("valid") or result.get("best"), metric),
        "test": _value(result.get("test"), metric),
        "time": duration(result["wall_s"]) if result.get("wall_s") is not None else "",
        "state": _state(result),
    }


def _metric(result: dict[str, Any]) -> str:
    """Return the metric that the run chose its weights by, else the one that its task is judged by."""
    if result.get("metric"):
        return str(result["metric"])
    monitored = str((result.get("weights_from") or {}).get("metric") or "").removeprefix("valid.")
    task = TASKS.get(str(result.get("task", "classification")))
    has_values = any(result.get(name) for name in ("valid", "test", "best"))
    return (monitored or (task.monitor if task else "")) if has_values else ""


def _value(values: dict[str, Any] | None, metric: str) -> str:
    value = (values or {}).get(metric)
    if isinstance(value, dict):
        return f"{value['mean']:.4f} ± {(value['high'] - value['low']) / 2:.4f}"
    return f"{value:.4f}" if isinstance(value, int | float) else ""


def _state(result: dict[str, Any]) -> str:
    claims = result.get("expect")
    if result.get("status") != "finished":
        return str(result.get("status"))
    if result.get("seeds") and not claims:
        return f"{len(result['seeds'])} seeds"
    tested = [claim["holds"] for claim in claims or () if claim["holds"] is not None]
    return "ended" if not tested else ("claims hold" if all(tested) else "claims fail")


def _changes(result: dict[str, Any]) -> str:
    changed = list(_named(result.get("changed") or ()))
    more = f"; and {len(changed) - _CHANGES} more" if len(changed) > _CHANGES else ""
    shown = "; ".join(changed[:_CHANGES])
    return printable(f"{Path(result['folder']).name}: {shown}{more}") if changed else ""


def _named(changed: Sequence[Sequence[str]]) -> Iterator[str]:
    for name, before, after in changed:
        place = re.sub(r"^stages\[(\d+)\]\.?", r"stage \1 ", name.replace(".args.", "."))
        yield f"{place} {before} -> {after}"
