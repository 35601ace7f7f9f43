"""What frozen parts make of images is computed once, and the weights that come out are the same."""

from __future__ import annotations

import errno
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from steps import Made
from toy import make_images, trained, write_recipe

from runtime.backend.device import device_context
from runtime.backend.mx import mx, nd
from runtime.data.transforms.views import chosen, draw_view, view_count
from runtime.features.features import Features
from runtime.features.prefix import Pixels, Prefix
from runtime.features.store import Key
from runtime.models.chain import Chain
from runtime.models.heads import head_block
from runtime.models.network import build_model, start_weights, units
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.runs.evaluation import evaluate
from runtime.runs.folder import read_json
from runtime.runs.trained import load
from runtime.system.cache.disk import FeatureCache
from runtime.training.settings import RunSettings
from runtime.weights.params_file import read_params
from runtime.workflows.preparation import prepare
from runtime.workflows.run import run

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


@pytest.mark.parametrize(
    "data", [pytest.param("", marks=pytest.mark.long), FLIPS, CROPS], ids=["plain", "flips", "crops"]
)
def test_kept_features_give_the_same_bits(data: str, photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP, data=data, head="[dropout(0.2), dense(classes)]")
    kept, computed = trained(recipe, tmp_path / "kept")
    fresh, nothing = trained(recipe, tmp_path / "fresh", cache=False)
    assert kept == fresh
    assert computed
    assert nothing == []


def test_each_image_runs_through_the_frozen_part_once(photos: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP)
    _, computed = trained(recipe, tmp_path / "run")
    train, valid, test = 42, 18, 10
    # The second stage cuts earlier, at a place whose features the first one kept on its way; the third stands behind
    # weights that the second has changed.
    assert computed == [(0, train), (0, valid), (2, train), (2, valid), (2, test)]


def test_flips_make_few_views_and_crops_no_end_of_them(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = 'stage "head" {\n  train = head\n  for = 30 epochs\n}\n'
    recipe = write_recipe(tmp_path / "flips.ftr", photos, stages, data=FLIPS)
    _, computed = trained(recipe, tmp_path / "flips")
    assert sum(count for _, count in computed) == 42 * 4 + 18 + 10
    recipe = write_recipe(tmp_path / "crops.ftr", photos, stages.replace("30", "2"), data=CROPS)
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "other cache"))
    _, computed = trained(recipe, tmp_path / "crops")
    assert [count for _, count in computed] == [18, 10]  # validation and test


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


def test_a_budget_that_is_too_small_changes_nothing_but_the_time(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP, data=FLIPS)
    large, _ = trained(recipe, tmp_path / "large")
    monkeypatch.setattr("runtime.features.store.MEMORY_BYTES", 0)
    monkeypatch.setattr("runtime.features.store.DISK_BYTES", 0)
    none, computed = trained(recipe, tmp_path / "none")
    assert none == large
    assert computed == []


def test_a_full_disk_changes_nothing_but_the_time(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP, data=FLIPS)
    large, _ = trained(recipe, tmp_path / "large")
    monkeypatch.setattr("runtime.features.store.MEMORY_BYTES", 0)
    monkeypatch.setattr("os.posix_fallocate", refuse)
    none, computed = trained(recipe, tmp_path / "none")
    assert none == large
    assert computed == []
    assert "No space left on device" in caplog.text


def flips(*directions: str) -> list[Component]:
    return [Component("resize", {"size": 8}), *(Component("flip", {"direction": d}) for d in directions)]


def test_views_are_counted_and_drawn_as_the_transforms_draw_them() -> None:
    from PIL import Image

    assert view_count([]) == 1
    assert view_count(flips()) == 1
    assert view_count(flips("horizontal", "vertical")) == 4
    assert (
        view_count([*flips("horizontal"), Component("color_jitter", {"amount": 0.1, "hue": 0.0, "contrast": None})])
        is None
    )
    steps = flips("horizontal", "vertical")
    image = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    seen = set()
    for seed in range(20):
        view = draw_view(steps, np.random.default_rng(seed))
        mine = np.asarray(Made(*steps)(image, chosen(view)))
        np.testing.assert_array_equal(mine, np.asarray(Made(*steps)(image, np.random.default_rng(seed))))
        seen.add(view)
    assert len(seen) == 4


# --- half precision --------------------------------------------------------------------------

KEYS: list[Key] = [("train", str(number), ()) for number in range(6)]


@pytest.fixture(scope="module")
def blocks() -> list[Any]:
    base = Component("gluoncv", {"name": "cifar_resnet20_v1", "weights": None})
    model = build_model(
        base, [Component("dense", {"units": "classes"})], Size.square(32), partial(head_block, outputs={"classes": 2})
    )
    start_weights(model, base, 1, mx.cpu())
    return list(units(model))


def half(blocks: list[Any], cache: FeatureCache | None = None, precision: str = "half") -> Features:
    def to_input(images: Pixels) -> Any:
        return nd.array(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)

    return Features(Chain(blocks), 4, Size.square(32), mx.cpu(), to_input, cache=cache, precision=precision)


def filled(prefix: Prefix) -> np.ndarray[Any, Any]:
    """Fill a prefix with six images of noise; return what it keeps of them."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)

    def images(keys: Sequence[Key]) -> Generator[Pixels, None, None]:
        for first in range(0, len(keys), prefix.batch):
            chunk = [int(name) for _, name, _ in keys[first : first + prefix.batch]]
            yield np.stack([noise[number] for number in chunk + chunk[-1:] * (prefix.batch - len(chunk))])

    for _ in prefix.fill(KEYS, images, lambda key: key[1].encode().rjust(16)):
        pass
    (first,), (rest,) = prefix.take(KEYS[:4]), prefix.take(KEYS[4:])
    return np.concatenate([first.asnumpy(), rest.asnumpy()[:2]])


def test_half_precision_rounds_what_is_kept(blocks: list[Any]) -> None:
    full, rounded = filled(half(blocks, precision="full").prefix(3, [], 6)), filled(half(blocks).prefix(3, [], 6))
    assert rounded.dtype == np.float32
    np.testing.assert_array_equal(rounded, full.astype(np.float16))
    assert np.any(rounded != full)


def test_half_precision_gives_the_same_from_images_and_from_what_is_kept_on_the_way(
    blocks: list[Any], tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    fresh = filled(half(blocks).prefix(3, [2], 6))
    first = half(blocks, cache)
    filled(first.prefix(2, [], 6))
    first.close()
    second = half(blocks, cache)
    prefix = second.prefix(3, [2], 6)
    never: Any = None
    without_first = replace(prefix, levels=(replace(prefix.levels[0], run=never), *prefix.levels[1:]))
    np.testing.assert_array_equal(filled(without_first), fresh)
    second.close()


def test_tables_of_the_disk_do_not_mix_precisions(blocks: list[Any], tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    for precision in ("full", "half", "full"):
        features = half(blocks, cache, precision)
        kept = filled(features.prefix(3, [], 6))
        features.close()
        np.testing.assert_array_equal(kept, filled(half(blocks, precision=precision).prefix(3, [], 6)))
    widths = sorted(entry.about["row_bytes"] for entry in cache.entries())
    assert len(widths) == 2
    assert widths[1] == 2 * widths[0]


def test_a_recipe_asks_for_half_precision(
    photos: Path, tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def widths(folder: Path) -> set[int]:
        return {entry.about["row_bytes"] for entry in FeatureCache(folder).entries() if "cut" in entry.about}

    full, _ = trained(write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP), tmp_path / "full")
    monkeypatch.setenv("FTR_CACHE", str(tmp_path / "other cache"))
    recipe = write_recipe(tmp_path / "r.ftr", photos, HEAD_THEN_TOP, data="  features = half\n")
    half, _ = trained(recipe, tmp_path / "half")
    assert widths(cache_folder) == {2 * width for width in widths(tmp_path / "other cache")}
    assert full != half
    assert trained(recipe, tmp_path / "again")[0] == half
    losses = [
        evaluate(load(tmp_path / name), device_context("cpu"), 0, cache=cache)[1].values["loss"]
        for name, cache in (("half", True), ("half", False), ("full", True))
    ]
    assert losses[0] == read_json(tmp_path / "half", "result.json")["test"]["loss"]
    assert losses == pytest.approx([losses[0]] * 3, rel=2e-2)
