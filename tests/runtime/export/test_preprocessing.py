"""Images prepared in the graph are those that `ftr predict` prepares, but for a level of a few pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import helper
from PIL import Image

from runtime.backend.mx import mx
from runtime.data.decoded import opening
from runtime.data.sets import to_input
from runtime.export.graph import OnnxGraph
from runtime.export.operators.call import UntranslatableError
from runtime.export.preprocessing import in_image, preprocess
from runtime.export.session import session
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.tasks.detection.network import _in_image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESIZE, CROP = Component("resize", {"size": 36}), Component("center_crop", {"size": 32})
BILINEAR = Component("resize", {"size": 36, "interpolation": "bilinear"})
STRETCH, OBLONG = Component("stretch", {"size": (24, 40)}), Component("center_crop", {"size": (32, 20)})
SIZES = [
    *[(32, 32), (36, 36), (37, 36), (50, 41), (7, 9), (1, 1), (2, 300), (200, 33)],
    *[(1000, 1500), (33, 64), (35, 47), (90, 20)],
]


def graph_of(*steps: Component) -> Any:
    graph = OnnxGraph()
    graph.add("Identity", preprocess(graph, "image", steps, MEAN, STD).name, name="found")
    given = helper.make_tensor_value_info("image", 2, ["batch", "height", "width", 3])
    model = graph.model([given], [helper.make_tensor_value_info("found", 1, [None] * 4)], {}, "test")
    return session(model.SerializeToString())


LISTS = {
    "both": (RESIZE, CROP),
    "crop": (CROP,),
    "three": (CROP, RESIZE, CROP),
    "stretch": (STRETCH,),
    "stretch and crop": (STRETCH, CROP),
    "oblong": (OBLONG,),
    "bilinear": (BILINEAR, CROP),
    "letterbox": (Component("letterbox", {"size": 32}),),
    "letterbox, oblong": (Component("letterbox", {"size": (24, 40)}),),
    "oblong crop": (Component("resize", {"size": [36, 40]}), Component("center_crop", {"size": [32, 36]})),
}


@pytest.mark.parametrize("steps", LISTS.values(), ids=LISTS)
def test_an_image_of_any_size_is_prepared_as_by_predict(steps: tuple[Component, ...]) -> None:
    answer = graph_of(*steps, Component("normalize", {}), Component("levels", {"white": 4095}))
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        expected = to_input(np.asarray(opening(steps, None, False)(pixels))[None], MEAN, STD, mx.cpu()).asnumpy()
        found = answer(pixels[None])
        level = 1 / 255 / min(STD)
        apart = np.abs(found - expected)
        most, share = (2, 0.1) if BILINEAR in steps else (1, 1e-2)  # its sums are halves more often
        assert apart.max() <= 1.001 * most * level
        assert (apart > 1e-5).mean() < share, (height, width)


@pytest.mark.parametrize("steps", LISTS.values(), ids=LISTS)
def test_boxes_go_back_to_where_they_are_in_the_image(steps: tuple[Component, ...]) -> None:
    graph = OnnxGraph()
    prepared = preprocess(graph, "image", steps, MEAN, STD)
    graph.add("Identity", in_image(graph, "corners", prepared), name="found")
    given = [helper.make_tensor_value_info("image", 2, ["batch", "height", "width", 3])]
    given.append(helper.make_tensor_value_info("corners", 1, [None, 4]))
    found = helper.make_tensor_value_info("found", 1, [None, 4])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    model = graph.model(given, [found], {}, "test").SerializeToString()
    loaded = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    corners = np.array([[2, 3, 9, 17], [0, 0, 20, 24]], np.float32)
    for height, width in SIZES:
        image = np.zeros((1, height, width, 3), np.uint8)
        expected = _in_image(corners.astype(float), Size(height, width), steps)
        np.testing.assert_allclose(
            loaded.run(None, {"image": image, "corners": corners})[0], expected, rtol=1e-5, atol=1e-3
        )


def test_a_batch_of_images_of_one_size_is_prepared_image_by_image() -> None:
    answer = graph_of(RESIZE, CROP)
    images = np.random.default_rng(1).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    together = answer(images)
    assert np.array_equal(together, np.concatenate([answer(image[None]) for image in images]))


def test_resizing_is_that_of_pillow() -> None:
    graph = graph_of(Component("resize", {"size": 20}))
    photo = Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 50).convert("RGB")
    expected = np.asarray(photo.resize((30, 20), Image.Resampling.BICUBIC)).astype(float)
    found = graph(np.asarray(photo)[None])[0].transpose(1, 2, 0) * STD + MEAN
    assert np.abs(found * 255 - expected).max() < 1.01


def test_a_step_without_a_row_is_named() -> None:
    with pytest.raises(UntranslatableError, match="flip"):
        graph_of(Component("flip", {"direction": "horizontal"}))
