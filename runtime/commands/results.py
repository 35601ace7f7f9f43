"""The commands on the folder of a run."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted, printable
from runtime.commands.command import FAILED, FINE, command, console, echo, mxnet, tell
from runtime.commands.options import (
    CACHE,
    DATA_ROOT,
    DEBUG,
    DEVICE,
    FILE_PATH,
    FORCE,
    JSON,
    PATH,
    RUN,
    STAGE,
    THREADS,
    WORKERS,
    out_option,
    was_given,
)
from runtime.export.formats import FORMATS, split_ending, unknown_ending
from runtime.system.files import placed


@click.command()
@RUN
@click.option("--data", metavar="SOURCE", help="Other data: a folder, or a source such as 'csv(\"f.csv\", …)'.")
@click.option("--on", "set_name", type=click.Choice(["train", "valid", "test"]), help="One of the run's own sets.")
@STAGE
@click.option("--html", "page", type=PATH, metavar="FILE", help="Write a page with the worst images, truth beside it.")
@click.option("--worst", type=click.IntRange(1, 500), default=24, show_default=True, help="How many images on it.")
@click.option("--strict", is_flag=True, help="Refuse images that the run has seen in training.")
@DATA_ROOT
@DEVICE
@THREADS
@WORKERS
@CACHE
@JSON
@DEBUG
@command
def evaluate(
    run: Path,
    data: str | None,
    set_name: str | None,
    stage: str | None,
    page: Path | None,
    worst: int,
    strict: bool,
    data_root: Path | None,
    device: str,
    threads: int | None,
    workers: int,
    cache: bool,
    machine: bool,
    debug: bool,
) -> int:
    """Evaluate a run on its test set, or on other data.

    It also says how many of the images the run was trained or validated on, by the content of their files.
    """
    if data is not None and set_name is not None:
        raise click.UsageError("--data and --on exclude each other")
    if strict and set_name not in (None, "test"):
        raise click.UsageError(f"--strict refuses what the run has seen, and that is its whole {set_name} set")
    with mxnet(threads, debug):
        from runtime.backend.device import device_context
        from runtime.plan.types import as_json
        from runtime.reporting.parts import reached_line
        from runtime.reporting.report import show_report
        from runtime.runs.evaluation import evaluate as evaluated
        from runtime.runs.trained import load
        from runtime.runs.training_images import ImageOverlap

        context = device_context(device)
        loaded = load(run, stage)
        tell(loaded.unfinished)
        name, report, seen, hardest = evaluated(
            loaded,
            context,
            workers,
            data=data,
            set_name=set_name,
            data_root=data_root,
            cache=cache,
            strict=strict,
            worst=worst if page else 0,
            tell=tell,
        )
        if machine:
            added = {} if data is None else {"seen": as_json(seen) if isinstance(seen, ImageOverlap) else None}
            click.echo(
                json.dumps({"set": name, **report.values, **report.as_json(), **added}, indent=2, ensure_ascii=False)
            )
        else:
            shown = loaded.task.telling(loaded.data.target)
            show_report(console(), f"{name}, weights of {loaded.stage}" if loaded.stage else name, report, shown)
            if line := reached_line(loaded.result):
                console().print(line, soft_wrap=True, highlight=False)
        if page is not None:
            from runtime.reporting.worst_page import worst_page
            from runtime.runs.folder import write_text
            from runtime.system.best_effort import attempt
            from runtime.training.problems import NotWritable

            made = worst_page(loaded, hardest, name, context, report)
            if reason := attempt(lambda: write_text(page, made)):
                raise RecipeError(NotWritable(path=str(page), reason=reason))
            if not machine:
                console().print(f"the worst images: {page}", soft_wrap=True)
    return FINE


@click.command()
@RUN
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="How many classes to show for each image."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0.05, 1),  # no object has a lower one
    help="Of objects: the least score that is shown. By default each class has the one with its best F1 on validation.",
)
@STAGE
@DEVICE
@THREADS
@JSON
@click.option("--csv", "table", is_flag=True, help="Print CSV.")
@click.option("--coco", is_flag=True, help="Print objects in COCO's format of results.")
@click.option("--yolo", type=click.Path(path_type=Path), help="Folder for files of YOLO's text, one for each image.")
@click.option("--masks", type=click.Path(path_type=Path), help="Folder for masks: PNG files with a palette.")
@click.option(
    "--draw",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write pictures with the predictions on them to a new or empty folder, or replace those of an earlier --draw.",
)
@DEBUG
@click.pass_context
@command
def predict(
    context: click.Context,
    run: Path,
    images: tuple[Path, ...],
    top: int,
    threshold: float | None,
    stage: str | None,
    device: str,
    threads: int | None,
    machine: bool,
    table: bool,
    coco: bool,
    yolo: Path | None,
    masks: Path | None,
    draw: Path | None,
    debug: bool,
) -> int:
    """Predict classes, numbers, masks or objects for images.

    A folder stands for all images in it.
    """
    failed = False
    asked = [name for name, given in (("--csv", table), ("--json", machine), ("--coco", coco)) if given]
    if len(asked) > 1:
        raise click.UsageError(f"{' and '.join(asked)} exclude each other")
    from runtime.data.targets import MASK
    from runtime.workflows.drawing import draw_predictions, in_the_way, write_masks

    if draw is not None and (other := in_the_way(draw)):
        what = f"{draw} holds {other}" if draw.is_dir() else f"{draw} is a file"
        raise click.UsageError(printable(f"--draw takes a new or empty folder, or one that it filled before; {what}"))
    for option, folder in (("--yolo", yolo), ("--masks", masks)):
        if folder is not None and os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
            raise click.UsageError(printable(f"{option} takes a new or empty folder, and {folder} has something in it"))
    with mxnet(threads, debug):
        from runtime.backend.device import device_context
        from runtime.reporting.report import predictions_coco, predictions_csv, predictions_json, show_predictions
        from runtime.runs.prediction import predict as predicted
        from runtime.runs.trained import load, with_threshold

        loaded = load(run, stage)
        tell(loaded.unfinished)
        if was_given(context, "top") and not loaded.task.has_top:
            raise click.UsageError(f"--top is for several answers to an image; {loaded.task.name} gives one")
        if threshold is not None:
            if (chosen := with_threshold(loaded, threshold)) is None:
                raise click.UsageError(f"--threshold is for objects; the task of this run is {loaded.task.name}")
            loaded = chosen
        if (coco or yolo) and not loaded.task.has_boxes:
            name = "--coco" if coco else "--yolo"
            raise click.UsageError(f"{name} is for objects; the task of this run is {loaded.task.name}")
        if masks is not None and loaded.task.target is not MASK:
            raise click.UsageError(f"--masks is for masks; the task of this run is {loaded.task.name}")
        found = list(predicted(loaded, images, device_context(device), top, tell))
        if machine:
            click.echo(predictions_json(found))
        elif coco:
            click.echo(predictions_coco(found))
        elif table:
            text = predictions_csv(found, loaded.task.columns(loaded.data.target))
            click.echo(printable(text, kept="\n") if sys.stdout.isatty() else text, nl=False)
        else:
            show_predictions(console(), found, loaded.task.answers)
        for bad in (each for each in found if each.error):
            tell(f"{bad.image}: {bad.error}")
        if yolo is not None:
            _write_yolo(yolo, found)
        if masks is not None:
            from runtime.runs.folder import writing

            with writing(masks):
                write_masks(found, masks)
            tell(f"wrote {counted(sum(not each.error for each in found), 'mask')} in {masks}")
        if draw is not None:
            drawn = draw_predictions(loaded.task, found, draw)
            failed = bool(drawn.failed)
            for line in drawn.failed:
                tell(f"not drawn: {line}")
            if drawn.letters:
                tell(f"no font here has the letters {drawn.letters}: boxes stand for them on the pictures")
            if drawn.count:
                tell(f"drew {counted(drawn.count, 'picture')} in {draw}")
    return FAILED if failed or any(each.error for each in found) else FINE


def _write_yolo(folder: Path, found: Sequence[Any]) -> None:
    """Write a file of text for each image, and the classes in order, as YOLO's tools take them."""
    from runtime.reporting.report import predictions_yolo
    from runtime.runs.folder import writing

    try:
        texts = predictions_yolo(found)
    except ValueError as fault:
        raise click.UsageError(f"--yolo: {fault}") from None
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")


@click.command()
@RUN
@out_option("Prefix of the files, whose ending chooses the format, or a folder for them; model by default.", FILE_PATH)
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    help="MXNet's symbol and params (the default), a graph that prepares images itself, or the weights alone.",
)
@click.option("--raw", is_flag=True, help="Of onnx: the network alone, which takes prepared tensors.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "int8"]),
    default="float32",
    show_default=True,
    help="Of onnx: the numbers that the network counts in; int8 is calibrated with training images.",
)
@click.option("--unchecked", is_flag=True, help="Of onnx: do not compare it with `ftr predict` on the run's images.")
@FORCE
@STAGE
@DATA_ROOT
@THREADS
@DEBUG
@command
def export(
    run: Path,
    out: Path | None,
    form: str | None,
    raw: bool,
    precision: str,
    unchecked: bool,
    force: bool,
    stage: str | None,
    data_root: Path | None,
    threads: int | None,
    debug: bool,
) -> int:
    """Export a run as files that run without ftr.

    A graph of ONNX answers images of the run's test set before it is written, and fails where it differs.
    """
    named, prefix = split_ending(placed(out, "model"))
    if form and named not in ("", form):
        raise click.UsageError(f"{out} is the name of a file of {named}, not of {form}")
    if not form and out is not None and not out.is_dir() and (ending := unknown_ending(out)):
        endings = ", ".join(each[-1] for name, each in FORMATS.items() if name != "symbol")
        raise click.UsageError(
            printable(
                f"no format has the ending {ending} of {out}: there are {endings}; a name without an ending is the "
                "prefix of MXNet's symbol and params, and so is any name with --format symbol"
            )
        )
    form = form or named or "symbol"
    if form != "onnx" and (raw or unchecked or precision != "float32"):
        raise click.UsageError("--raw, --precision and --unchecked are for --format onnx")
    with mxnet(threads, debug):
        from runtime.backend.device import device_context
        from runtime.reporting.exported import export_lines
        from runtime.runs.trained import load
        from runtime.workflows.export import Options
        from runtime.workflows.export import export as write

        loaded = load(run, stage)
        tell(loaded.unfinished)
        options = Options(raw, precision, not unchecked, data_root)
        made = write(loaded, form, prefix, device_context("cpu"), options, force=force)
    for line in export_lines(made, loaded.data):
        echo(line)
    return FINE


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@JSON
@click.pass_context
@command
def runs(context: click.Context, folder: Path, machine: bool) -> int:
    """List runs, and what changed from one to the next.

    They are those in FOLDER, `runs` by default.
    """
    from runtime.reporting.run_list import read_results, show_runs

    if was_given(context, "folder") and not os.path.exists(folder):
        raise click.UsageError(f"there is no folder {folder}")
    found = read_results(folder)
    if machine:
        plain = [{name: each[name] for name in each if name != "known_images"} for each in found]
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        show_runs(console(), found, folder)
    return FINE
