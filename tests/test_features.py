"""What frozen parts make of images is computed once, and the weights that come out are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy import make_images, write_recipe

from runtime.data.views import chosen, draw_view, view_count
from runtime.events import Event, FeaturesComputed
from runtime.features import Budget, Table
from runtime.finished import RunSettings
from runtime.plan import Step
from runtime.running import prepare, run
from runtime.weights.params_file import read_params

HEAD_THEN_TOP = """
stage "head" {
  train = head
  for   = 3 epochs
}
stage "top" {
  train = base.block3 .. head
  for   = 2 epochs
}
stage "head again" {
  train = head
  for   = 2 epochs
}
"""
FLIPS = "  augment = [flip(horizontal), flip(vertical)]\n"
CROPS = "  augment = [random_resized_crop, flip(horizontal)]\n"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for name, count in (("train", 21), ("valid", 9), ("test", 5)):
        make_images(root / name, {"blue": count, "green": count}, seed=count)
    return root


class Watching:
    def __init__(self) -> None:
        self.computed: list[tuple[int, int]] = []

    def checking(self, done: int, total: int) -> None:
        pass

    def __call__(self, event: Event) -> None:
        if isinstance(event, FeaturesComputed) and event.done == event.total:
            self.computed.append((event.stage, event.total))


def trained(recipe: Path, out: Path, **settings: Any) -> tuple[bytes, Watching]:
    watch = Watching()
    run(prepare(recipe), RunSettings(workers=2, **settings), out, watch)
    return (out / "model.params").read_bytes(), watch


@pytest.mark.parametrize("data", ["", FLIPS, CROPS], ids=["plain", "flips", "crops"])
def test_kept_features_give_the_same_bits(data: str, photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP, data=data, head="[dropout(0.2), dense(classes)]")
    kept, watch = trained(recipe, tmp_path / "kept")
    fresh, nothing = trained(recipe, tmp_path / "fresh", cache=False)
    assert kept == fresh
    assert watch.computed
    assert nothing.computed == []


def test_each_image_runs_through_the_frozen_part_once(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP)
    _, watch = trained(recipe, tmp_path / "run")
    train, valid, test = 42, 18, 10
    # The second stage cuts earlier, at a place whose features the first one kept on its way; the third stands behind
    # weights that the second has changed.
    assert watch.computed == [(0, train), (0, valid), (2, train), (2, valid), (2, test)]


def test_flips_make_few_views_and_crops_no_end_of_them(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = 'stage "head" {\n  train = head\n  for = 30 epochs\n}\n'
    recipe = write_recipe(tmp_path / "flips.ftr", photos, stages, data=FLIPS)
    _, watch = trained(recipe, tmp_path / "flips")
    assert sum(count for _, count in watch.computed) == 42 * 4 + 18 + 10
    recipe = write_recipe(tmp_path / "crops.ftr", photos, stages.replace("30", "2"), data=CROPS)
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "other cache"))
    _, watch = trained(recipe, tmp_path / "crops")
    assert [count for _, count in watch.computed] == [18, 10]  # validation and test


# A linear head passes the rounding of its features on; layers with norms and ReLUs, trained over steps, amplify it.
# Adam would turn the rounding of a tiny gradient into a whole step: sgd shows what fusing does.
@pytest.mark.parametrize(("stages", "bound"), [(1, 2e-5), (2, 1e-2)], ids=["a linear head", "a block"])
def test_fusing_moves_no_weight_by_more_than_rounding(stages: int, bound: float, photos: Path, tmp_path: Path) -> None:
    text = "\nstage".join(HEAD_THEN_TOP.split("\nstage")[: stages + 1])
    text = text.replace("epochs\n", "epochs\n  optimizer = sgd(lr = 0.01)\n")
    recipe = write_recipe(tmp_path / "r.ftr", photos, text, data=FLIPS)
    trained(recipe, tmp_path / "fused")
    trained(recipe, tmp_path / "plain", fuse=False)
    fused, plain = (read_params(tmp_path / name / "model.params") for name in ("fused", "plain"))
    assert fused.keys() == plain.keys()
    for name, array in fused.items():
        np.testing.assert_allclose(array, plain[name], rtol=bound, atol=bound, err_msg=name)


def test_the_run_folder_says_what_was_kept_and_fused(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos)
    _, result = run(prepare(recipe), RunSettings(cache=False, fuse=False), tmp_path / "run")
    assert (result["versions"]["cache"], result["versions"]["fuse"]) == ("off", "off")


def test_over_the_budget_rows_lie_in_a_file(tmp_path: Path) -> None:
    budget = Budget(memory=1000, disk=10_000, folder=tmp_path)
    table = Table((10, 5), 20, budget)
    assert (budget.memory, budget.disk) == (1000, 6000)
    values = np.arange(1000, dtype=np.float32).reshape(20, 10, 5)
    keys = [("train", str(number), ()) for number in range(20)]
    table.put(keys[:12], values[:12])
    table.put(keys[12:], values[12:])
    assert keys[3] in table
    assert ("train", "99", ()) not in table
    np.testing.assert_array_equal(table.take([keys[13], keys[0]]), values[[13, 0]])
    table.close()
    assert budget.disk == 10_000
    assert list(tmp_path.iterdir()) == []


def test_a_budget_that_is_too_small_changes_nothing_but_the_time(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP, data=FLIPS)
    large, _ = trained(recipe, tmp_path / "large")
    monkeypatch.setattr("runtime.features.MEMORY_BYTES", 0)
    monkeypatch.setattr("runtime.features.DISK_BYTES", 0)
    none, watch = trained(recipe, tmp_path / "none")
    assert none == large
    assert watch.computed == []


def flips(*directions: str) -> list[Step]:
    return [Step("resize", {"size": 8}), *(Step("flip", {"direction": d}) for d in directions)]


def test_views_are_counted_and_drawn_as_the_transforms_draw_them() -> None:
    from PIL import Image

    from runtime.data.sets import transform

    assert view_count([]) == 1
    assert view_count(flips()) == 1
    assert view_count(flips("horizontal", "vertical")) == 4
    assert view_count([*flips("horizontal"), Step("color_jitter", {"amount": 0.1})]) is None
    steps = flips("horizontal", "vertical")
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    seen = set()
    for seed in range(20):
        view = draw_view(steps, np.random.default_rng(seed))
        mine = np.asarray(transform(steps)(image, chosen(view)))
        np.testing.assert_array_equal(mine, np.asarray(transform(steps)(image, np.random.default_rng(seed))))
        seen.add(view)
    assert len(seen) == 4
