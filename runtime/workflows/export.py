"""A trained run as files for other runtimes, checked on images of its own before they are written.

In goes a `TrainedRun`; out come files, and for a graph of ONNX a `Check`: the graph and `ftr predict` have answered the
same images, and the answers were compared. A graph that answers otherwise is not written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_lang.problem import RecipeError
from runtime.compile.components import component
from runtime.export.description import described, image_input, tensor_input
from runtime.export.formats import FORMATS
from runtime.export.onnx_file import OnnxFile, onnx_file, require_onnx
from runtime.export.operators.call import UntranslatableError
from runtime.export.precision import PRECISIONS, reduced
from runtime.export.problems import ExportDiffers, NotTranslatable, PrecisionCosts
from runtime.export.safetensors import as_original, encoded, foreign_names
from runtime.plan.types import as_json
from runtime.runs.exported_model import export_model
from runtime.runs.exports import note_exports
from runtime.runs.folder import write_bytes, write_json, writing
from runtime.runs.pack.problems import FileExists
from runtime.runs.pack.signature import is_pack
from runtime.runs.trained import TrainedRun
from runtime.weights.params_file import sha256_of
from runtime.workflows.export_check import Check, CheckImages, checked


@dataclass(frozen=True, slots=True)
class Exported:
    """The files that were written, what goes in and comes out, and the check where there was one.

    `noted` is whether the run's lock has them.
    """

    files: tuple[Path, ...]
    description: Mapping[str, Any]
    check: Check | None
    noted: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How a graph of ONNX is made: of prepared tensors, in which precision, and whether it is checked."""

    raw: bool = False
    precision: str = "float32"
    checked: bool = True
    data_root: Path | None = None


def export(
    run: TrainedRun, form: str, prefix: Path, context: Any, options: Options | None = None, *, force: bool = False
) -> Exported:
    """Write a run in a format of `FORMATS`, with a description beside it, and note the files in the run's lock.

    Raises:
        RecipeError: a file is there, the extra is missing, the network has no translation, the images for the check
            are not to be had, or the graph gives other answers.
    """
    options = options or Options()
    files = tuple(prefix.with_name(f"{prefix.name}{ending}") for ending in FORMATS[form])
    beside = files[-1].with_name(f"{files[-1].name}.json")
    for path in (*files, beside):
        if path.exists() and not force:
            raise RecipeError(FileExists(path=str(path)))
    for parameter in run.model.parameters.values():
        parameter.reset_ctx(context)
    given = image_input() if form == "onnx" and not options.raw else tensor_input(run.data)
    check = None
    with writing(prefix):
        prefix.parent.mkdir(parents=True, exist_ok=True)
        if form == "symbol":
            sides = export_model(run.model, run.task, run.data.target, prefix)
            taken = {"name": "", "content": run.data.target.outputs(), "dtype": "float32", "shape": list(sides)}
        elif form == "safetensors":
            write_bytes(files[0], _weights(run))
            taken = {"name": "", "content": run.data.target.outputs(), "dtype": "float32"}
        else:
            made, check = _graph(run, given, options, files[0])
            taken = dict(made.taken)
            write_bytes(files[0], made.content)
        description = described(run.task, run.data, form, given, taken, run.result)
        if form == "onnx":
            description["precision"] = options.precision
        sums = {path.name: sha256_of(path) for path in files}
        write_json(beside, {**description, "check": as_json(check) if check else None, "sha256": sums})
        noted = not is_pack(run.path) and note_exports(run.path, dict.fromkeys(files, _note(form, options, check)))
    return Exported(files, description, check, noted)


def _note(form: str, options: Options, check: Check | None) -> str:
    said = check.text if check else "not checked" if form == "onnx" else "the run's own weights"
    return f"{form}{'' if options.precision == 'float32' else f' {options.precision}'}, {said}"


def _weights(run: TrainedRun) -> bytes:
    arrays = as_original(foreign_names(run.model, component(run.recipe.fields["base"])), run.model.arrays())
    return encoded(arrays, {"format": "pt", "names": json.dumps(run.data.target.names)})


def _graph(run: TrainedRun, given: Mapping[str, Any], options: Options, path: Path) -> tuple[OnnxFile, Check | None]:
    """Return a graph, and its check, which holds."""
    require_onnx()
    description = {"task": run.task.name, "input": given, "run": run.result.get("hash"), "precision": options.precision}
    try:
        made = onnx_file(run.model, run.task, run.data, description, raw=options.raw)
    except UntranslatableError as fault:
        raise RecipeError(NotTranslatable(path=str(run.path), operator=str(fault))) from fault
    plain = None
    is_reduced = options.precision != "float32"
    images = CheckImages(run, options.data_root, options.raw) if is_reduced or options.checked else None
    if is_reduced and images is not None:
        plain = made.content
        made = made.changed(lambda model, nodes: reduced(model, options.precision, nodes, images.calibration()))
    if images is None or not options.checked:
        return made, None
    found = checked(images, made.content, options.precision, plain)
    if not found.holds and is_reduced:
        share = f"{PRECISIONS[options.precision].share:.0%}"
        raise RecipeError(PrecisionCosts(path=str(path), precision=options.precision, verdict=found.text, share=share))
    if not found.holds:
        raise RecipeError(ExportDiffers(path=str(path), verdict=found.text))
    return made, found
