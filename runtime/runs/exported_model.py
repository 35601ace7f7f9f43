"""The model that a run leaves for programs that have MXNet and not ftr: its symbol and its parameters."""

from __future__ import annotations

from pathlib import Path

from runtime.export.symbol import network
from runtime.models.network import Model
from runtime.plan.types import TargetFacts
from runtime.runs.folder import write_text
from runtime.tasks.protocol import Task
from runtime.weights.params_file import write_params


def export_model(model: Model, task: Task, targets: TargetFacts, prefix: Path) -> tuple[int | str, ...]:
    """Write `<prefix>-symbol.json` and `<prefix>-0000.params`, which `SymbolBlock.imports` reads.

    The input is named `data`: float32 (batch, 3, height, width), normalized as `plan.json` says. The outputs are in the
    units of the data. Returns their sides.

    Raises:
        OSError: a file cannot be written.
    """
    made = network(model, lambda symbol: task.exported(symbol, targets, model.size))
    arrays = {f"{'aux' if name in made.statistics else 'arg'}:{name}": values for name, values in made.arrays.items()}
    write_text(prefix.with_name(f"{prefix.name}-symbol.json"), made.symbol.tojson())
    write_params(prefix.with_name(f"{prefix.name}-0000.params"), arrays)
    return "batch", *made.symbol.infer_shape(data=(2, 3, *model.size))[1][0][1:]
