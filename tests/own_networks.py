"""Recipes that train a network of GluonCV with its own head for a few steps."""

from __future__ import annotations

from pathlib import Path

from runtime.data.targets import BOXES
from runtime.models.catalog import OWN

LOSSES = {
    "ssd": "ssd_loss",
    "yolo3": "yolo3_loss",
    "center_net": "center_focal",
}  # of other families it is that of the task

RECIPE = """ftr 1
task = {task}
base = gluoncv("{name}", weights = none)
head = [own]
loss = {loss}
data {{
  train = scenes(train)
  take = 5 images
  size = [96px, 64px]
  batch = 4
}}
stage "head" {{
  train = head
  for = 2 steps
  keep = last
  optimizer = sgd(lr = 1e-4)
}}
stage "top" {{
  train = base.{part} .. head
  for = 2 steps
  keep = last
  optimizer = adam(lr = 1e-3)
}}
"""


def write_recipe(name: str, path: Path) -> None:
    """Write the recipe of a network: two steps of the head, two with the last part of the base."""
    row = OWN[name]
    task = "detection" if row.gives == BOXES else "segmentation"
    loss = LOSSES.get(row.family, "pixel_cross_entropy")
    path.write_text(RECIPE.format(task=task, name=name, loss=loss, part=row.parts[-1]))
