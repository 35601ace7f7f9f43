"""EfficientNet-Lite against the PyTorch implementation, as recorded in `fixtures/lite_logits.npz`."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import TESTS
from PIL import Image

from recipe_lang.problem import RecipeError
from runtime.backend.mx import autograd, gluon, mx, nd, nn
from runtime.models import efficientnet_lite, packaged
from runtime.models.efficientnet_lite import ConvNorm, build, load_packaged
from runtime.models.packaged import PACKAGED, packaged_file
from runtime.plan.size import Size
from runtime.system.installation import install_command
from runtime.weights.params_file import sha256_of

RECORDED = np.load(TESTS / "fixtures" / "lite_logits.npz")
RUNS = sorted(key.removeprefix("logits_") for key in RECORDED.files if key.startswith("logits_"))
TIGER_CAT, ESPRESSO = 282, 967
LITE0 = "efficientnet_lite0"


def photos(size: int, count: int) -> Any:
    """Return the first recorded photos as a network's input, (count, 3, size, size)."""
    images = []
    for name in RECORDED["names"][:count]:
        image = np.asarray(Image.open(io.BytesIO(RECORDED[f"photo_{name}"].tobytes())))
        top = (image.shape[0] - size) // 2
        images.append(image[top : top + size, top : top + size])
    batch = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
    return nd.array((batch - PACKAGED[LITE0].mean) / PACKAGED[LITE0].std)


def loaded(name: str, size: int) -> Any:
    """Return a base with its packaged weights and the ImageNet classifier, as one network."""
    base = build(name, Size.square(size))
    classifier = nn.Dense(1000, in_units=base.features)
    load_packaged(name, base, classifier)
    net = nn.HybridSequential()
    net.add(*(block for _, block in base.parts), base.tail, classifier)
    return net


@pytest.mark.parametrize("run", RUNS)
def test_logits_are_those_of_the_pytorch_network(run: str) -> None:
    version, size = run.split("_")
    name = f"efficientnet_{version}"
    if name != LITE0 and find_spec(PACKAGED[name].module) is None:
        pytest.skip(f"{PACKAGED[name].package} is not installed")
    expected = RECORDED[f"logits_{run}"]
    net = loaded(name, int(size))
    x = photos(int(size), len(expected))
    assert np.abs(net(x).asnumpy() - expected).max() < 1e-4
    net.hybridize(static_alloc=True, static_shape=True)
    assert np.abs(net(x).asnumpy() - expected).max() < 1e-4


def test_it_sees_what_is_there() -> None:
    best = loaded(LITE0, 224)(photos(224, 2)).asnumpy().argmax(axis=1)
    assert best.tolist() == [TIGER_CAT, ESPRESSO]


@pytest.mark.parametrize(("name", "numbers"), [("lite0", 3_371_008), ("lite1", 4_135_680), ("lite2", 4_811_072)])
def test_parts_and_sizes(name: str, numbers: int) -> None:
    base = build(f"efficientnet_{name}", Size.square(96))
    assert [part for part, _ in base.parts] == ["stem", *(f"block{n}" for n in range(1, 8))]
    counts = [
        int(np.prod(parameter.shape))
        for _, block in base.parts
        for parameter in block.collect_params().values()
        if parameter._differentiable
    ]
    assert sum(counts) == numbers
    assert list(base.tail.collect_params()) == []


def test_names_do_not_depend_on_what_was_built_before() -> None:
    one, other = ([list(block.collect_params()) for _, block in build(LITE0, Size.square(96)).parts] for _ in range(2))
    assert one == other
    assert one[1][0] == "efficientnet_lite0_block1_mbconv0_convnorm0_conv0_weight"
    names = [name for part in one for name in part]
    assert len(names) == len(set(names))


def test_strides_and_features() -> None:
    base = build(LITE0, Size.square(65))
    x = nd.zeros((2, 3, 65, 65))
    sides = []
    for _, block in base.parts:
        block.initialize()
        x = block(x)
        sides.append(x.shape[2])
    assert sides == [33, 33, 17, 9, 5, 5, 3, 3]
    assert base.tail(x).shape == (2, base.features)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (8, 7), (5, 10)])
def test_each_side_is_padded_as_same_padding_says(size: tuple[int, int], kernel: int, stride: int) -> None:
    """Less at the beginning where the sum is odd: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2."""
    block = ConvNorm(2, 3, Size(*size), kernel, stride, linear=True)
    block.initialize(mx.init.Xavier())
    x = nd.random.normal(shape=(2, 2, *size))
    ends = []
    for side in size:
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        ends += [total // 2, total - total // 2]
    padded = nd.pad(x, mode="constant", pad_width=(0, 0, 0, 0, *ends))
    plain = nn.Conv2D(3, kernel, strides=stride, use_bias=False, in_channels=2, params=block.conv.params)
    np.testing.assert_allclose(block(x).asnumpy(), block.norm(plain(padded)).asnumpy(), atol=1e-5)


def test_every_parameter_learns() -> None:
    base = build(LITE0, Size.square(64))
    net = nn.HybridSequential()
    net.add(*(block for _, block in base.parts), base.tail, nn.Dense(2, in_units=base.features))
    mx.random.seed(1)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    before = {name: parameter.data().copy() for name, parameter in net.collect_params().items()}
    with autograd.record():
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(net(photos(64, 4)), nd.array([0, 1, 0, 1]))
    loss.backward()
    trainer.step(4)
    after = net.collect_params()
    still = [name for name, was in before.items() if np.array_equal(was.asnumpy(), after[name].data().asnumpy())]
    assert still == []


def test_the_file_is_the_one_that_the_table_names() -> None:
    path = packaged_file(LITE0)
    assert sha256_of(path) == PACKAGED[LITE0].sha256


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(RecipeError) as caught:
        load_packaged(LITE0, build(LITE0, Size.square(224)))
    (problem,) = caught.value.problems
    assert problem.code == "E528"
    assert problem.help() == f"run: {install_command()}"


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(RecipeError, match="do not fit") as caught:
        load_packaged(LITE0, build("efficientnet_lite2", Size.square(64)))
    assert caught.value.problems[0].code == "E527"


def test_a_changed_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / "weights.pth"
    data = bytearray(packaged_file(LITE0).read_bytes())
    data[-1] ^= 1
    changed.write_bytes(data)
    monkeypatch.setattr(efficientnet_lite, "packaged_file", lambda name: changed)
    with pytest.raises(RecipeError, match="not the expected file"):
        load_packaged(LITE0, build(LITE0, Size.square(64)))
