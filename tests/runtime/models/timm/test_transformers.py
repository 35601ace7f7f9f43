"""What transformers need beside scores: embeddings for other sizes, maps of their tokens, weights at the start."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from paths import TESTS
from random_weights import random_images, random_weights

from recipe_lang.problem import RecipeError
from runtime.backend.blocks import sequence
from runtime.backend.joined import can_be_joined
from runtime.backend.mx import mx, nd
from runtime.models.heads import head_block
from runtime.models.network import Model, build_model, start_weights, units
from runtime.models.pytorch import load_state
from runtime.models.taps import tapped, taps
from runtime.models.timm.catalog import TIMM
from runtime.models.timm.network import build, fitted, split, timm_names
from runtime.models.timm.vit import resampled
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.training.gradients import is_weight
from runtime.weights.state_dict import StateDict

TINY = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
ATTO = "convnext_atto.d2_in1k"
SIZE = Size(32, 64)
EMBEDDINGS = dict(np.load(TESTS / "fixtures" / "timm_embeddings.npz"))


def model_of(name: str, *head: str) -> Model:
    base = Component("timm", {"name": name, "weights": None})
    layers = [*(Component(layer, {}) for layer in head), Component("dense", {"units": "classes"})]
    model = build_model(base, layers, SIZE, partial(head_block, outputs={"classes": 3}))
    start_weights(model, base, 1, mx.cpu())
    return model


@pytest.mark.parametrize("case", EMBEDDINGS)
def test_embeddings_are_resampled_as_timm_does(case: str) -> None:
    old, new = (Size(*map(int, grid.split("x"))) for grid in case.split("/"))
    given = np.random.default_rng(0).normal(size=(1, 1 + old.pixels, 3)).astype(np.float32)
    assert np.abs(resampled(given, old, new) - EMBEDDINGS[case]).max() < 1e-5


def test_a_file_is_fit_to_the_size_of_images() -> None:
    net = build(TINY, Size(32, 64))
    learned = np.random.default_rng(0).normal(size=(1, 1 + 14 * 14, 192)).astype(np.float32)
    arrays = {"pos_embed": learned, "cls_token": learned[:, :1]}
    found = fitted(net, arrays)
    assert found["pos_embed"].shape == (1, 1 + 2 * 4, 192)
    assert found["cls_token"] is arrays["cls_token"]
    assert fitted(build(TINY, Size(224, 224)), arrays) is arrays
    assert fitted(build(ATTO, SIZE), arrays) is arrays


@pytest.mark.parametrize("side", [64, 80])
def test_weights_that_were_trained_at_another_size_fit(side: int) -> None:
    """The embedding is resampled, as timm does (`timm_embeddings.npz`), and all else is as in the file."""
    size = Size.square(side)
    base = Component("timm", {"name": TINY, "weights": None})
    whole, other = build(TINY, size), build(TINY, Size.square(224))
    named = timm_names(other)
    x = nd.array(random_images(1, *size))
    for net, at in ((whole, size), (other, Size.square(224))):
        net.initialize()
        net(nd.zeros((1, 3, *at)))
    arrays = random_weights({name: each.shape for name, each in named.items()})
    load_state(StateDict(Path("net.safetensors"), arrays), base, split(whole, TINY), whole)
    cells = resampled(arrays["pos_embed"], Size.square(14), Size.square(side // 16))
    assert np.array_equal(timm_names(whole)["pos_embed"].data().asnumpy(), cells)
    assert np.array_equal(timm_names(whole)["norm.weight"].data().asnumpy(), arrays["norm.weight"])
    assert np.isfinite(whole(x).asnumpy()).all()


def test_a_head_that_pools_takes_the_tokens_of_the_patches() -> None:
    model = model_of(TINY, "global_avg_pool")
    x = nd.array(random_images(2, *SIZE))
    *body, dense = units(model)
    value = x
    for block in body:
        value = block(value)
    tokens = x
    for _, part in model.base.parts:
        tokens = part(tokens)
    assert tokens.shape == (2, 9, 192)
    np.testing.assert_allclose(value.asnumpy(), tokens.asnumpy()[:, 1:].mean(axis=1), atol=1e-6)
    assert dense(value).shape == (2, 3)


def test_convnext_hands_on_a_vector() -> None:
    with pytest.raises(RecipeError, match="needs feature maps, but gets a vector"):
        model_of(ATTO, "global_avg_pool")


def test_taps_are_maps_of_cells() -> None:
    model = model_of(TINY)
    found = taps(model.base, SIZE)
    assert list(found) == ["stem", *(f"block{number}" for number in range(1, 13)), "norm"]
    assert {(tap.stride, tap.channels) for tap in found.values()} == {(16, 192)}
    head = mx.gluon.nn.HybridLambda("concat")
    chain = tapped(model.base, ("block2", "block4"), head)
    x = nd.array(random_images(1, *SIZE))
    maps = chain.net(0, len(chain.blocks))(x)
    assert maps.shape == (1, 384, 2, 4)
    tokens = x
    for _, part in model.base.parts[:5]:
        tokens = part(tokens)
    np.testing.assert_allclose(maps.asnumpy()[0, 192:, 1, 2], tokens.asnumpy()[0, 1 + 4 + 2], atol=1e-5)


def test_weights_at_the_start() -> None:
    vit, convnext = (
        {name: parameter.data().asnumpy() for name, parameter in model_of(name).parameters.items()}
        for name in (TINY, ATTO)
    )
    assert 0.015 < vit["base.stem.0.pos_embed"].std() < 0.025
    assert 0.25 < vit["base.block1.0.mlp.fc1.weight"].std() / vit["base.block1.0.attn.proj.weight"].std() < 1
    assert (vit["base.block1.0.norm1.gamma"] == 1).all()
    scales = [values for name, values in convnext.items() if name.endswith("scale")]
    assert len(scales) == 12
    assert all((values == np.float32(1e-6)).all() for values in scales)


def test_embeddings_do_not_decay() -> None:
    decayed = {name.rpartition(".")[2] for name, each in model_of(TINY).parameters.items() if is_weight(each)}
    assert decayed == {"weight"}


@pytest.mark.parametrize("name", [TINY, ATTO, "convnextv2_atto.fcmae_ft_in1k"])
def test_the_frozen_part_is_joined(name: str) -> None:
    model = model_of(name)
    for parameter in model.parameters.values():
        if parameter.shape and len(parameter.shape) == 1:
            parameter.set_data(nd.random.uniform(0.5, 1.5, shape=parameter.shape))
    assert can_be_joined(lambda: sequence(units(model)[:-1]), [(1, 3, *SIZE)], mx.cpu())


def test_rows_say_which_sizes_fit() -> None:
    assert TIMM["vit_small_patch14_dinov2.lvd142m"].sizes() == "42px or more, in steps of 14px"
    assert TIMM[TINY].accepts(32)
    assert not TIMM[TINY].accepts(40)
