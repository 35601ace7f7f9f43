"""The commands on the images of a recipe."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted, printable
from runtime.commands.command import FAILED, FINE, command, console, echo, mxnet
from runtime.commands.options import (
    CACHE,
    DATA_ROOT,
    DEBUG,
    FILE_PATH,
    JSON,
    OUTSIDE,
    PATH,
    SET,
    THREADS,
    WORKERS,
    out_option,
)
from runtime.commands.suggestions import instead_of_folder, is_run
from runtime.system.files import placed

if TYPE_CHECKING:
    from recipe_lang.check.checked import CheckedRecipe
    from runtime.workflows.data_check.check import DataReport, Group

    Progress = Callable[[str, int, int], None]

_EXAMPLES = 3
_LONGEST = 40  # characters of a target, as text, that a line has room for


@click.group()
def data() -> None:
    """Check or show the images of a recipe."""


@data.command()
@click.argument("recipe", type=PATH)
@SET
@OUTSIDE
@DATA_ROOT
@click.option("--labels", is_flag=True, help="Also find labels that may be wrong; runs the base on each image once.")
@click.option(
    "--by", metavar="COLUMN", help="What images belong together by, as a patient's, where the recipe does not say it."
)
@click.option("--html", "page", type=PATH, metavar="FILE", help="Write a page with pictures of what is found.")
@click.option(
    "--fix", is_flag=True, help="Write all images to leave out into the list of `exclude`, or RECIPE.exclude.txt."
)
@click.option("--strict", is_flag=True, help="Exit with 1 where a finding is serious.")
@THREADS
@WORKERS
@CACHE
@JSON
@DEBUG
@command
def check(
    recipe: Path,
    settings: tuple[str, ...],
    outside: bool,
    data_root: Path | None,
    labels: bool,
    by: str | None,
    page: Path | None,
    fix: bool,
    strict: bool,
    threads: int | None,
    workers: int,
    cache: bool,
    machine: bool,
    debug: bool,
) -> int:
    """Check the images of a RECIPE, or of a run folder, for problems.

    Files that cannot be read, duplicates within a set and across sets, labels that contradict each other, blank images,
    unusual shapes and pixel formats, class imbalance. Nothing is changed.
    """
    if recipe.is_dir() and not is_run(recipe):
        raise click.UsageError(instead_of_folder("data check", recipe))
    with mxnet(threads, debug):
        from runtime.compile.image_steps import prepare_steps
        from runtime.data.parts import parts_of_train
        from runtime.system.cache.disk import user_cache
        from runtime.tasks.catalog import task_of
        from runtime.vocabulary.rules.images import image_size
        from runtime.workflows.data_check.check import check_data
        from runtime.workflows.data_check.shared_groups import grouping_of
        from runtime.workflows.preparation import listed

        path = recipe / "resolved.ftr" if recipe.is_dir() else recipe
        kept = user_cache() if cache else None
        checked, listings = listed(path, settings, data_root, outside)
        task = task_of(checked)
        if labels and task.suspects is None:
            raise click.UsageError(f"--labels judges classes; the task here is {task.name}")
        with _progress() as progress:
            size, _ = image_size(checked)
            steps, _ = prepare_steps(checked.block("data"), size)
            grouping = by or grouping_of(checked)
            split = parts_of_train(checked)
            report = check_data(listings, split, task, size, workers, kept, progress, steps, grouping)
            if labels:
                from runtime.workflows.data_check.suspects import with_suspects
                from runtime.workflows.preparation import prepare

                prepared = prepare(path, settings, data_root, outside)
                assert task.suspects is not None
                report = with_suspects(report, prepared, workers, kept, progress, task.suspects)
        fixed = _fix(checked, path, report) if fix else None
        if machine:
            click.echo(json.dumps({**_plain(report, task.key), "list": fixed}, indent=2, ensure_ascii=False))
        else:
            for note in dict.fromkeys(note for listing in listings.values() for note in listing.notes):
                echo(note)
            _show(report, page is not None)
            if fixed is not None:
                _show_fix(fixed)
        if page is not None:  # behind the report, which it must not cost
            from runtime.reporting.console import say
            from runtime.reporting.data_page import data_page
            from runtime.runs.folder import write_text
            from runtime.system.best_effort import attempt
            from runtime.training.problems import NotWritable

            if reason := attempt(lambda: write_text(page, data_page(report, path.stem, workers, task))):
                raise RecipeError(NotWritable(path=str(page), reason=reason))
            if not machine:
                say(console(), f"with pictures: {page}")
    return FAILED if strict and report.serious else FINE


@data.command()
@click.argument("recipe", type=PATH)
@out_option("The picture, or a folder for it; NAME-sheet.png by default.", FILE_PATH)
@click.option("--stage", metavar="STAGE", help="The stage, by its title or its number; the first by default.")
@click.option("--images", "count", type=click.IntRange(1, 200), default=12, show_default=True, help="How many images.")
@SET
@OUTSIDE
@DATA_ROOT
@DEBUG
@command
def show(
    recipe: Path,
    out: Path | None,
    stage: str | None,
    count: int,
    settings: tuple[str, ...],
    outside: bool,
    data_root: Path | None,
    debug: bool,
) -> int:
    """Draw what training with a RECIPE, or of a run folder, sees: images after all transforms, with their targets.

    Classes and numbers are written below; boxes and masks are drawn. Where augmentation makes other images each epoch,
    the first epochs stand side by side.
    """
    if recipe.is_dir() and not is_run(recipe):
        raise click.UsageError(instead_of_folder("data show", recipe))
    with mxnet(None, debug):
        from runtime.system.best_effort import attempt
        from runtime.training.problems import NotWritable
        from runtime.workflows.contact_sheet import sheet_of
        from runtime.workflows.preparation import prepare

        path = recipe / "resolved.ftr" if recipe.is_dir() else recipe
        prepared = prepare(path, settings, data_root, outside)
        stages = prepared.plan.stages
        found = [each for each in stages if stage in (None, each.title, str(each.position + 1))]
        if not found:
            names = ", ".join(each.name for each in stages)
            raise click.UsageError(f"there is no stage `{stage}`; there are {names}")
        sheet, says = sheet_of(prepared, found[0], count)
        place = placed(out, f"{prepared.plan.name}-sheet.png")
        if reason := attempt(lambda: sheet.save(place, None if place.suffix else "PNG")):
            raise RecipeError(NotWritable(path=str(place), reason=reason))
        echo(f"{says}: {place}")
    return FINE


def _fix(recipe: CheckedRecipe, path: Path, report: DataReport) -> dict[str, Any]:
    """Add to the recipe's list, or to a new one beside it; return what was done as plain data."""
    from runtime.data.exclude import read_excluded
    from runtime.runs.folder import write_bytes, writing
    from runtime.workflows.data_check.exclusions import addition, extended

    named = recipe.block("data")["exclude"]
    beside = Path(path.parent.resolve().name) if is_run(path.parent) else path  # what a run has left stays as it is
    target = named or beside.with_name(f"{beside.name.partition('.')[0] or 'images'}.exclude.txt")
    more = addition(report, read_excluded(target) if target.exists() else ())
    with writing(target):
        before = target.read_bytes() if target.exists() else b""
        content = extended(before, more.lines)
        if content != before:
            write_bytes(target, content)
    return {"path": str(target), "added": more.count, "named": named is not None, "written": content != before}


def _show_fix(fixed: dict[str, Any]) -> None:
    name = Path(fixed["path"]).name
    if fixed["written"]:
        echo(f"wrote {fixed['path']}: {counted(fixed['added'], 'image')} to leave out")
    else:
        click.echo("nothing more to leave out" + (f" than {fixed['path']} lists" if fixed["named"] else ""))
    if not fixed["named"] and Path(fixed["path"]).exists():
        echo(f'read it, then write into the data block: exclude = "{name}"')


def _show(report: DataReport, has_page: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from runtime.data.sources.skipped import by_kind, passed_line
    from runtime.reporting.console import say
    from runtime.system.files import from_here
    from runtime.workflows.data_check.check import KINDS

    screen = console()
    sets = ", ".join(f"{name} {sum(counts):,}" for name, counts in report.counts.items())
    say(screen, f"{len(report.seen):,} images {report.targets}: {sets}")
    if not report.found and not any(each.is_image for each in report.passed):
        screen.print("nothing was found")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(justify="right")
    table.add_column()
    for name, groups in report.found.items():
        kind = KINDS[name]
        table.add_row(f"{len(groups):,}", Text(kind.title, "bold red" if kind.serious else "yellow"))
        for group in groups[:_EXAMPLES]:
            table.add_row("", _line(group))
        if len(groups) > _EXAMPLES:
            table.add_row("", f"and {len(groups) - _EXAMPLES:,} more")
    if line := passed_line(report.passed):
        table.add_row("", Text(line, "bold red" if any(each.is_image for each in report.passed) else ""))
        for (what, why), _ in by_kind(report.passed):
            paths = [from_here(each.path) for each in report.passed if (each.what, each.why) == (what, why)]
            more = f" and {len(paths) - _EXAMPLES:,} more" if len(paths) > _EXAMPLES else ""
            table.add_row("", printable(", ".join(map(str, paths[:_EXAMPLES])) + more))
    screen.print(table)
    if (report.found or report.passed) and not has_page:
        say(screen, "--html FILE shows the images, --json lists all, --fix writes a list for `exclude`")


def _line(group: Group) -> str:
    names = [
        f"{image.set} {image.id}" + (f" ({image.target})" if len(image.target) <= _LONGEST else "")
        for image in group.images[:_EXAMPLES]
    ]
    more = f" and {len(group.images) - _EXAMPLES} more" if len(group.images) > _EXAMPLES else ""
    return printable(": ".join(part for part in (", ".join(names) + more, group.note) if part))


def _plain(report: DataReport, key: str) -> dict[str, Any]:
    """Return a report as plain data."""
    from runtime.workflows.data_check.check import KINDS

    def group(each: Group) -> dict[str, Any]:
        images = [{"set": image.set, "id": image.id, key: image.target} for image in each.images]
        return {"note": each.note, "images": images}

    return {
        "images": {name: dict(zip(report.groups, counts, strict=True)) for name, counts in report.counts.items()},
        "sizes": dict(report.sizes),
        "modes": dict(report.modes),
        "serious": report.serious,
        "passed_over": [
            {"path": str(each.path), "what": each.what, "why": each.why, "serious": each.is_image}
            for each in report.passed
        ],
        "found": {
            name: {
                "title": KINDS[name].title,
                "serious": KINDS[name].serious,
                "groups": [group(each) for each in groups],
            }
            for name, groups in report.found.items()
        },
    }


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show on a terminal how far it is; on standard error, so that it is in nobody's way."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    shown = Progress(*columns, console=screen, transient=True, auto_refresh=False, disable=not screen.is_terminal)
    with shown:
        tasks: dict[str, Any] = {}
        shown_at = 0.0

        def note(what: str, done: int, total: int) -> None:
            nonlocal shown_at
            if what not in tasks:
                for task in tasks.values():
                    shown.update(task, visible=False)
                tasks[what] = shown.add_task(what, total=total)
            now = time.monotonic()
            is_due = now - shown_at > 0.2
            shown_at = now if is_due else shown_at
            shown.update(tasks[what], completed=done, refresh=is_due)

        yield note
