"""What can keep runs from being compared (E654, E655)."""

from __future__ import annotations

from recipe_lang.problem import Kind

DifferentImages = Kind(
    "E654",
    "different images",
    reason="""Two runs are compared on the same images only: on others, the easier ones would decide. Where `holdout`
    or `folds` divide, the images follow the recipe's seed, so that runs are compared whose seeds are the same; a set
    of its own, or another metric's set, is the same for all.""",
    fields="a b set differences",
    message="{a} and {b} are measured on different `{set}` images",
    help=lambda p: (
        "\n".join(f"{name}: {one or 'none'} against {other or 'none'}" for name, one, other in p.differences[:5])
        + (f"\nand {len(p.differences) - 5} more" if len(p.differences) > 5 else "")
        + f"\ngive both the same images for `{p.set}`, where `holdout` or `folds` divide also the same seed"
    ),
)

NotComparable = Kind(
    "E655",
    "not comparable",
    reason="""Runs are compared in one metric, which both have measured, and in pairs: with the same seeds, or as many
    of each.""",
    fields="a b reason",
    optional={"hint": ""},
    message="{a} and {b} cannot be compared: {reason}",
    help="{hint}",
)
