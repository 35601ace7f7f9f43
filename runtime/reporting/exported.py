"""What `ftr export` says: the files, what goes in and comes out, and what the check has shown."""

from __future__ import annotations

from collections.abc import Iterator

from recipe_lang.words import printable
from runtime.plan.types import DataPlan
from runtime.reporting.plan import steps_text
from runtime.workflows.export import Exported


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"


def export_lines(made: Exported, data: DataPlan) -> Iterator[str]:
    """Yield the lines about an export."""
    yield printable(" and ".join(map(str, made.files)))
    given, taken = made.description["input"], made.description["output"]
    if given["dtype"] == "uint8":
        yield "input `image`: uint8 (batch, height, width, 3), RGB, any size: it is resized, cropped, normalized inside"
    else:
        height, width = data.size
        yield (
            f"input `data`: float32 (batch, 3, {height}, {width}), RGB, (value / 255 - mean) / std with\n"
            f"  mean {_numbers(data.mean)} and std {_numbers(data.std)}\n"
            f"  of images prepared by {steps_text(data.prepare)}"
        )
    if data.tiles is not None:
        yield (
            f"it takes a tile, not an image: cut images into parts of {data.tiles.side} x {data.tiles.side} pixels that"
            f" share at\n  least {data.tiles.overlap:.0%} with their neighbours, and merge what they give"
            " (`ftr predict` does both)"
        )
    name = f" `{taken['name']}`" if taken["name"] else ""
    yield printable(f"output{name}: {taken['content']}")
    if made.check is not None:
        yield f"checked: {made.check.text}"
        yield f"  {made.check.speed}"
        if not made.check.pays:
            yield f"  {made.check.precision} saves space alone: on this machine it is no faster than float32"
    elif made.description["format"] == "onnx":
        yield "not checked, as asked"
    if not made.noted:
        yield "not noted in a lock: a pack has one that stays, and a run that has not ended has none"
