"""The classifier of a file as the head: it answers as the whole network of the file does, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_weights import random_images, random_weights

from recipe_lang.problem import RecipeError
from runtime.backend.mx import mx, nd
from runtime.models.heads import head_block
from runtime.models.kept_head import imagenet_classes, unnamed
from runtime.models.network import build_model, start_weights
from runtime.models.pytorch import built, names_in_torch
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.weights.safetensors_file import write_safetensors

Layers = list[Component]
DENSE = Component("dense", {"units": "classes"})
CASES = [
    ("gluoncv", "resnet18_v1b", 32),
    ("gluon", "mobilenetv2_1.0", 32),  # its classifier is a convolution
    ("gluoncv", "mobilenetv3_small", 32),
    ("timm", "regnety_004.pycls_in1k", 32),
    ("timm", "convnext_atto.d2_in1k", 32),  # a norm stands behind the pooling
    ("timm", "deit_tiny_patch16_224.fb_in1k", 32),
    ("timm", "efficientnet_b0.ra_in1k", 32),
    ("timm", "mobilenetv4_conv_small.e2400_r224_in1k", 32),
]


def network(kind: str, name: str, side: int, path: Path) -> Any:
    """Return a whole network with random weights, which are written to a file as well."""
    whole, _ = built(kind, name, Size.square(side))
    whole.initialize()
    whole(nd.zeros((1, 3, side, side)))
    names = names_in_torch(whole, kind, name)
    arrays = random_weights({torch: parameter.shape for torch, parameter in sorted(names.items())})
    write_safetensors(path, arrays)
    for torch, parameter in names.items():
        parameter.set_data(nd.array(arrays[torch]))
    return whole


def kept(kind: str, name: str, side: int, path: Path, layers: Layers, classes: int = 1000, source: str = "") -> Any:
    """Return a network whose head is the file's classifier."""
    weights = Component(source or "safetensors", {"file": path, "sha256": None, "head": "kept"})
    base = Component(kind, {"name": name, "weights": weights})
    model = build_model(base, layers, Size.square(side), partial(head_block, outputs={"classes": classes}))
    start_weights(model, base, 0, mx.cpu())
    return model.net


@pytest.mark.parametrize(("kind", "name", "side"), CASES)
def test_a_kept_head_answers_as_the_network_of_the_file(kind: str, name: str, side: int, tmp_path: Path) -> None:
    whole = network(kind, name, side, tmp_path / "net.safetensors")
    net = kept(kind, name, side, tmp_path / "net.safetensors", [Component("dropout", {"p": 0.5}), DENSE])
    images = nd.array(random_images(2, side, side))
    expected, found = whole(images).asnumpy(), net(images).asnumpy()
    assert np.abs(found - expected.reshape(found.shape)).max() / np.abs(expected).max() < 1e-5


def test_gluons_own_file_and_a_pooling_that_is_written_out(tmp_path: Path) -> None:
    whole = network("gluoncv", "resnet18_v1b", 32, tmp_path / "net.safetensors")
    whole.collect_params().save(str(tmp_path / "net.params"))  # the names with the prefix of this network
    layers = [Component("global_avg_pool", {}), DENSE]
    net = kept("gluoncv", "resnet18_v1b", 32, tmp_path / "net.params", layers, source="gluon_params")
    images = nd.array(random_images(2, 32, 32))
    assert np.allclose(net(images).asnumpy(), whole(images).asnumpy(), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Return the file of a network of GluonCV, each written once."""
    root = tmp_path_factory.mktemp("files")

    def of(name: str, side: int) -> Path:
        path = root / f"{name}.safetensors"
        if not path.exists():
            network("gluoncv", name, side, path)
        return path

    return of


@pytest.mark.parametrize(
    ("name", "classes", "layers", "reason"),
    [
        ("resnet18_v1b", 7, [DENSE], "it has 1,000 outputs, and the recipe's head 7"),
        ("resnet18_v1b", 1000, [Component("global_max_pool", {}), DENSE], "not one dense layer behind the pooling"),
        ("resnet18_v1b", 1000, [Component("dense", {"units": 9}), DENSE], "not one dense layer behind the pooling"),
        ("squeezenet1.1", 1000, [DENSE], "has none of one dense layer"),
    ],
)
def test_another_head_is_refused(
    name: str, classes: int, layers: Layers, reason: str, files: Callable[[str, int], Path]
) -> None:
    side = 224 if name == "squeezenet1.1" else 32
    with pytest.raises(RecipeError) as caught:
        kept("gluoncv", name, side, files(name, side), layers, classes)
    (problem,) = caught.value.problems
    assert problem.code == "E548"
    assert reason in problem.message()


def test_classes_that_a_file_does_not_name_are_told(tmp_path: Path) -> None:
    weights = Component("torch", {"file": tmp_path / "net.pth", "sha256": None, "head": "kept"})
    base = Component("gluoncv", {"name": "resnet18_v1b", "weights": weights})
    (told,) = unnamed(base, ["cat", "dog"])
    assert (told.code, told.first, told.last) == ("W777", "cat", "dog")
    assert unnamed(base, imagenet_classes()) == ()
