"""The zoos' bases give what torchvision's and timm's networks give, from the same random weights and statistics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import TESTS
from random_weights import random_images, random_sums, random_weights
from toy import write_recipe

from recipe_lang.problem import Problem, RecipeError
from runtime.backend.mx import nd
from runtime.models import pytorch
from runtime.models.base import Base
from runtime.models.catalog import ZOOS
from runtime.models.pytorch import built, fitting, infer, load_state, nearest
from runtime.models.torch_names import PAIRS, as_named_now, torch_names
from runtime.models.weights_sources import source_for
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.weights.safetensors_file import write_safetensors
from runtime.weights.state_dict import StateDict
from runtime.workflows.preparation import prepare

OUTPUTS = dict(np.load(TESTS / "fixtures" / "torch_outputs.npz"))
CASES = [(gluon, f"{framework}/{name}", int(side)) for gluon, framework, name, side in (k.split("/") for k in OUTPUTS)]
SMALLEST = {
    *("resnet18_v1b", "resnet50_v1c", "resnet50_v1d", "resnet50_v1s", "resnest14", "resnext50_32x4d", "densenet121"),
    *("se_resnext50_32x4d", "alexnet", "squeezenet1.1", "inceptionv3", "googlenet", "mobilenetv2_1.0"),
    *("mobilenetv3_large", "mobilenetv3_small"),
}
"""The smallest network of each naming and architecture; `bench/torch_pairs.py` compares all."""


def component(gluon: str) -> Component:
    """Return a base as a plan has it."""
    return Component("gluoncv", {"name": gluon, "weights": None})


def network(gluon: str, side: int) -> tuple[Any, Base]:
    """Return a network of the zoo, whole and cut, with all shapes."""
    whole, cut = built("gluoncv", gluon, Size.square(side))
    infer(cut, Size.square(side))
    return whole, cut


def torch_state(gluon: str, side: int) -> StateDict:
    return state_of(gluon, *network(gluon, side))


def state_of(gluon: str, whole: Any, cut: Base) -> StateDict:
    """Return random weights under PyTorch's names, in no order that means anything."""
    owned = {id(each) for _, part in cut.parts for each in part.collect_params().values()}
    shapes = {name: each.shape for name, each in torch_names(whole, gluon).items() if id(each) in owned}
    dense = {"mobilenetv3_large", "mobilenetv3_small"}
    shapes = {n: s[:2] if gluon in dense and n == "classifier.0.weight" else s for n, s in shapes.items()}
    return StateDict(Path("net.safetensors"), random_weights(dict(sorted(shapes.items()))))


def sums(gluon: str, side: int) -> Any:
    """Return the random sums of the features that a base of random weights gives."""
    whole, cut = network(gluon, side)
    load_state(state_of(gluon, whole, cut), component(gluon), cut, whole)
    value = nd.array(random_images(1, side, side))
    for block in [*(part for _, part in cut.parts), cut.tail]:
        value = block(value)
    return random_sums(value.asnumpy()[0])


def test_all_pairs_are_recorded() -> None:
    assert {(gluon, network) for gluon, network, _ in CASES} == {
        (gluon, network) for gluon, pair in PAIRS.items() for network in pair.networks
    }
    assert set(PAIRS) <= set(ZOOS["gluoncv"])


@pytest.mark.parametrize(("gluon", "side"), sorted({(gluon, side) for gluon, _, side in CASES if gluon in SMALLEST}))
def test_the_features_are_those_of_pytorch(gluon: str, side: int) -> None:
    found = sums(gluon, side)
    for network in [network for each, network, size in CASES if (each, size) == (gluon, side)]:
        expected = OUTPUTS[f"{gluon}/{network}/{side}"]
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max(), network


def test_a_file_that_does_not_fit_names_the_layer_and_the_bases() -> None:
    state = torch_state("resnet18_v1b", 64)
    problem = refused(state, "resnet34_v1b")
    assert (problem.code, problem.layer, problem.found) == ("E541", "layer1.2.conv1.weight", "missing")
    assert problem.help() == 'it fits gluoncv("resnet18_v1b")'
    squeezed = torch_state("squeezenet1.1", 64)
    assert refused(squeezed, "squeezenet1.0").wanted == "96 x 3 x 7 x 7"
    assert refused(squeezed, "squeezenet1.0").found == "64 x 3 x 3 x 3"


def test_weights_that_are_no_numbers_are_refused() -> None:
    state = torch_state("squeezenet1.1", 64)
    arrays = {name: array.copy() for name, array in state.arrays.items()}
    arrays["features.0.weight"].flat[:2] = np.nan, np.inf
    problem = refused(replace(state, arrays=arrays), "squeezenet1.1")
    assert problem.code == "E522"
    assert "`features.0.weight` holds 2 numbers that are not finite" in problem.message()


def test_a_plan_knows_from_the_header_that_a_file_does_not_fit(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    write_safetensors(path, torch_state("squeezenet1.1", 64).arrays)
    monkeypatch.setattr("runtime.weights.bounded.BoundedFile.array", None)  # no numbers are read
    base = f'gluon("squeezenet1.{{}}", weights = safetensors("{path}"))'
    assert (
        prepare(write_recipe(tmp_path / "r.ftr", photos, base=base.format(1))).plan.base.args["name"] == "squeezenet1.1"
    )
    with pytest.raises(RecipeError) as caught:
        prepare(write_recipe(tmp_path / "r.ftr", photos, base=base.format(0)))
    (problem,) = caught.value.problems
    assert (problem.code, problem.wanted, problem.span is not None) == ("E541", "96 x 3 x 7 x 7", True)


def refused(state: StateDict, gluon: str) -> Problem:
    """Return why weights cannot be put into a base."""
    whole, cut = built("gluoncv", gluon, Size.square(64))
    infer(cut, Size.square(64))
    with pytest.raises(RecipeError) as caught:
        load_state(state, component(gluon), cut, whole)
    return caught.value.problems[0]


def test_heads_counters_and_auxiliary_classifiers_take_no_part() -> None:
    state = torch_state("resnet18_v1b", 64)
    more = {"fc.weight": np.ones((7, 512), "f4"), "fc.bias": np.ones(7, "f4"), "bn1.num_batches_tracked": np.array(3)}
    (fit,) = fitting(StateDict(state.path, {**state.arrays, **more}))
    assert (fit.call, fit.classes) == ('gluoncv("resnet18_v1b")', 7)
    other = {**state.arrays, "layer5.0.conv1.weight": np.ones((7, 512), "f4")}
    assert fitting(StateDict(state.path, other)) == ()


def test_a_file_that_lacks_layers_names_the_nearest_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that have all of its layers, the smaller one."""
    names = ("resnet34_v1b", "resnet18_v1b", "vgg11")
    monkeypatch.setattr(pytorch, "_candidates", lambda least, most: [("gluoncv", name) for name in names])
    state = torch_state("resnet18_v1b", 64)
    cut = {name: array for name, array in state.arrays.items() if not name.startswith(("layer4.1.", "fc."))}
    assert fitting(StateDict(state.path, cut)) == ()
    said = 'the nearest is gluoncv("resnet18_v1b"): 90 of its 100 arrays are there; the first difference is '
    assert nearest(StateDict(state.path, cut)) == f"{said}`layer4.1.conv1.weight`"
    more = {**state.arrays, "layer5.0.weight": np.ones(3, "f4")}
    assert "100 of its 100 arrays are there; the first difference is `layer5.0.weight`" in nearest(
        StateDict(state.path, more)
    )
    assert nearest(StateDict(state.path, {"layer9.weight": np.ones(3, "f4")})) == ""


def test_names_of_the_published_densenets() -> None:
    assert as_named_now("features.denseblock1.denselayer2.norm.1.weight").endswith(".norm1.weight")


@pytest.mark.parametrize("name", ["inceptionv3", "googlenet"])
@pytest.mark.parametrize(
    ("source", "arrays", "from_minus_one"),
    [
        ("torch", ("fc.bias",), True),  # torchvision's file
        ("safetensors", ("fc.bias",), False),  # timm's, which has no auxiliary classifiers
        ("safetensors", ("AuxLogits.fc.bias", "fc.bias"), True),
        ("safetensors", ("aux1.fc2.bias", "fc.bias"), True),
    ],
)
def test_what_two_networks_normalize_with_follows_the_source(
    name: str, source: str, arrays: tuple[str, ...], from_minus_one: bool, tmp_path: Path
) -> None:
    path = tmp_path / "net"
    write_safetensors(path, {each: np.ones(3, np.float32) for each in arrays})
    base = Component("gluoncv", {"name": name, "weights": Component(source, {"file": path, "sha256": None})})
    mean, std = source_for(base).normalization(base)
    assert (mean, std) == (((0.5,) * 3,) * 2 if from_minus_one else ZOOS["gluoncv"][name].normalization)
    assert (mean == (0.5,) * 3) is from_minus_one
