"""Values as recipe text."""

from __future__ import annotations

from recipe_lang.syntax import nodes


def quantity_text(node: nodes.Node) -> str:
    """Return a resolved value as recipe text: `3 epochs`, `0.001`, `"name"`."""
    if isinstance(node, nodes.Number):
        digits = f"{node.value:.15g}"
        if node.unit is None:
            return digits
        unit = node.unit[:-1] if node.value == 1 and node.unit.endswith("s") else node.unit
        return f"{digits}px" if unit == "px" else f"{digits} {unit}"
    return node.span.text
