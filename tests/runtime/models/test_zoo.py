"""The base networks of the two zoos: names, parts, features, hosted weights."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from bench.sweep_bases import check, chosen
from recipe_lang.problem import RecipeError
from runtime.backend.mx import autograd, gluoncv, mx, nn
from runtime.models import zoo as families
from runtime.models.catalog import EXCLUDED, OTHER_TASK, ZOOS
from runtime.models.zoo import build, split


def test_the_names_need_neither_mxnet_nor_numpy() -> None:
    code = (
        "import sys, runtime.models.catalog\n"
        "print([name for name in ('mxnet', 'gluoncv', 'numpy') if name in sys.modules])"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_each_classifier_of_gluoncv_works_or_is_excluded() -> None:
    listed = {name for name in gluoncv().model_zoo.get_model_list() if not re.search(OTHER_TASK, name)}
    assert listed == ZOOS["gluoncv"].keys() | EXCLUDED["gluoncv"].keys()


def test_each_classifier_of_mxnet_works_or_is_excluded() -> None:
    with pytest.raises(ValueError, match="Available options are") as refused:
        mx.gluon.model_zoo.vision.get_model("no such network")
    listed = set(str(refused.value).split("\n\t")[1:])
    assert listed == ZOOS["gluon"].keys() | EXCLUDED["gluon"].keys()


def test_no_name_both_works_and_is_excluded() -> None:
    for zoo, rows in ZOOS.items():
        assert not rows.keys() & EXCLUDED[zoo].keys()


def test_each_family_has_names_and_each_name_a_family() -> None:
    assert {row.family for rows in ZOOS.values() for row in rows.values()} == families.FAMILIES.keys()


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("resnet50_v1b", (32, 33, 224, 500), (0, 31)),
        ("inceptionv3", (75, 299), (74, 32)),
        ("hrnet_w18_c", (32, 224, 256), (33, 331)),
        ("residualattentionnet56", (224,), (223, 225, 448)),
        ("cifar_residualattentionnet56", (32,), (31, 64)),
    ],
)
def test_sizes(name: str, accepted: tuple[int, ...], refused: tuple[int, ...]) -> None:
    row = ZOOS["gluoncv"][name]
    assert row.accepts(row.native)
    assert all(row.accepts(side) for side in accepted)
    assert not any(row.accepts(side) for side in refused)


# The smallest network of each family of gluoncv, and a few of mxnet's zoo. Two are left to `bench/sweep_bases.py`: they
# take seconds each, and have no layers that others lack.
LARGE = ("senet_154", "residualattentionnet56")
SMALLEST = [(zoo, name) for zoo, name in chosen("", smallest_per_family=True) if zoo == "gluoncv" and name not in LARGE]
SMALLEST += [("gluon", name) for name in ("resnet18_v1", "resnet18_v2", "mobilenetv2_0.25", "squeezenet1.1")]


WIDE = ("xception", "darknet53", "inceptionv3", "densenet121", "vgg11", "resnext50_32x4d")
"""Seconds each: of these the layers are compared, which is a matter of names."""


@pytest.mark.parametrize(
    ("zoo", "name"), [pytest.param(*each, marks=[pytest.mark.long] * (each[1] in WIDE)) for each in SMALLEST]
)
def test_the_parts_do_what_the_network_does(zoo: str, name: str) -> None:
    result = check(zoo, name)
    assert result.problem == ""
    assert result.blocks == ZOOS[zoo][name].blocks


def layers(symbol: Any) -> list[tuple[str, object]]:
    """Return the operators with what they are told, and the names of parameters, in order."""
    nodes = json.loads(symbol.tojson())["nodes"]
    return [(node["op"], node["name"] if node["op"] == "null" else node.get("attrs")) for node in nodes]


@pytest.mark.parametrize("name", WIDE)
def test_the_parts_have_the_layers_of_the_network(name: str) -> None:
    net = build("gluoncv", name)
    base, ours = split(net, "gluoncv", name), mx.sym.var("data")
    for _, part in base.parts:
        ours = part(ours)
    mine, whole = layers(ours), layers(net(mx.sym.var("data")))
    assert mine == whole[: len(mine)]
    left = {operator for operator, _ in whole[len(mine) :]}
    assert left <= {"null", "Pooling", "Flatten", "Dropout", "FullyConnected"}


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (
            lambda net: [list(net.features)[:1], *[[stage] for stage in list(net.features)[2:5]]],
            "each parameter",
        ),
        (lambda net: [list(net.features)[:2], *[[stage] for stage in list(net.features)[2:4]]], "zip"),
        (
            lambda net: [[*list(net.features)[:2], nn.Activation("tanh")], *[[s] for s in net.features[2:5]]],
            "error",
        ),
    ],
    ids=["a layer left out", "a block left out", "another function"],
)
def test_the_check_finds_a_wrong_cut(cut: object, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**families.FAMILIES, "cifar_resnet": families.Family(cut, "output")}  # type: ignore[arg-type]
    monkeypatch.setattr(families, "FAMILIES", wrong)
    assert expected in check("gluoncv", "cifar_resnet20_v1").problem


def _regrouped(blocks: list[object]) -> object:
    group = nn.HybridSequential()
    group.add(*blocks)
    group.hybridize()
    return group


@pytest.mark.parametrize("name", ["hrnet_w18_small_v1_c", "dla34"])
def test_branches_survive_every_cut(name: str) -> None:
    net = build("gluoncv", name)
    net.initialize(mx.init.MSRAPrelu())
    base = split(net, "gluoncv", name)
    images = mx.nd.random.uniform(shape=(2, 3, 64, 64))
    blocks = [part for _, part in base.parts] + [base.tail]
    whole = _regrouped(blocks)(images)  # type: ignore[operator]
    for cut in range(1, len(blocks)):
        between = _regrouped(blocks[:cut])(images)  # type: ignore[operator]
        assert isinstance(between, mx.nd.NDArray)
        assert (_regrouped(blocks[cut:])(between) == whole).asnumpy().all()  # type: ignore[operator]


def test_a_net_that_was_traced_in_training_predicts_without_noise() -> None:
    net = build("gluoncv", "resnest26")
    net.initialize()
    base = split(net, "gluoncv", "resnest26")
    model = _regrouped([part for _, part in base.parts])
    images = mx.nd.random.uniform(shape=(2, 3, 32, 32))
    with autograd.record():
        model(images)  # type: ignore[operator]
    first, second = model(images), model(images)  # type: ignore[operator]
    assert (first == second).asnumpy().all()


def test_splitting_fixes_no_input_size() -> None:
    net = build("gluon", "vgg11")
    net.initialize()
    before = split(net, "gluon", "vgg11")
    assert net(mx.nd.zeros((1, 3, 64, 64))).shape == (1, 1000)
    assert split(net, "gluon", "vgg11").features == before.features == 4096


@pytest.mark.parametrize("zoo", ZOOS)
def test_a_failed_download_is_one_silent_error(
    zoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MXNET_GLUON_REPO", "http://127.0.0.1:9/")
    monkeypatch.delenv("MXNET_HOME", raising=False)
    handlers = logging.root.handlers[:]
    with pytest.raises(RecipeError) as raised:
        build(zoo, "mobilenet0.25", root=str(tmp_path), pretrained=True)
    (problem,) = raised.value.problems
    assert problem.code == "E540"
    assert f'{zoo}("mobilenet0.25")' in problem.message()
    assert "could not be downloaded" in problem.message()
    assert "gluon_params" in problem.help()
    assert capfd.readouterr() == ("", "")
    assert logging.root.handlers == handlers


def test_weights_that_were_never_hosted_are_an_error() -> None:
    # GluonCV itself takes pretrained=True for this network, and loads nothing.
    with pytest.raises(RecipeError, match="the zoo hosts none"):
        build("gluoncv", "shufflenet_v1", pretrained=True)


@pytest.mark.parametrize("zoo", ZOOS)
def test_a_file_in_the_zoos_cache_is_used(zoo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MXNET_HOME", raising=False)
    net = build(zoo, "mobilenet0.25")
    net.initialize(mx.init.Xavier())
    net(mx.nd.zeros((1, 3, 32, 32)))
    file = tmp_path / "weights"
    net.save_parameters(str(file))
    store = gluoncv().model_zoo.model_store if zoo == "gluoncv" else mx.gluon.model_zoo.model_store
    digest = hashlib.sha1(file.read_bytes()).hexdigest()
    monkeypatch.setitem(store._model_sha1, "mobilenet0.25", digest)
    file.rename(tmp_path / f"mobilenet0.25-{digest[:8]}.params")
    loaded = build(zoo, "mobilenet0.25", root=str(tmp_path), pretrained=True)
    assert (loaded.output.weight.data() == net.output.weight.data()).asnumpy().all()
