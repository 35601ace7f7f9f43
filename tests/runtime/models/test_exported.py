"""Exported networks as bases: what Gluon and ftr have written, cut at a layer, trained, packed and loaded elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_weights import random_images
from toy import CLASSES, STAGE, make_images, train, write_recipe

from recipe_lang.problem import Problem, RecipeError
from runtime.backend.mx import gluon, mx, nd
from runtime.models.exported import exported_row
from runtime.models.graph_blocks import build, load
from runtime.plan.size import Size
from runtime.runs.lock.file import LOCK
from runtime.runs.pack.pack import pack_run
from runtime.runs.prediction import predict
from runtime.runs.trained import load as load_run
from runtime.weights.symbol_file import read_graph
from runtime.workflows.preparation import prepare

IMAGENET = "mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]"
TOP = '\nstage "top" {\n  train = base.block2 .. head\n  norm = frozen\n  for = 1 epoch\n}\n'


def args(path: Path, cut: str | None, **more: Any) -> dict[str, Any]:
    """Return the arguments of a call of a base, as plain values."""
    return {"file": path, "cut": cut, "mean": None, "std": None, **more}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos and a network that plain Gluon has exported."""
    root = tmp_path_factory.mktemp("house")
    for number, name in enumerate(("train", "valid", "test")):
        make_images(root / "photos" / name, dict.fromkeys(CLASSES, 6), number)
    net = gluon.model_zoo.vision.get_model("resnet18_v2", classes=10, pretrained=False, prefix="net_")
    net.initialize(mx.init.Xavier())
    net.hybridize()
    net(nd.zeros((1, 3, 64, 64)))
    for name, parameter in net.collect_params().items():
        if name.endswith(("mean", "var", "beta", "gamma")):
            parameter.set_data(nd.random.uniform(0.5, 1.5, shape=parameter.shape))
    net.export(str(root / "net"))
    for side in (64, 75):
        np.save(root / f"{side}.npy", net.features(nd.array(random_images(1, side, side))).asnumpy())
    return root


def refused(house: Path, base: str) -> Problem:
    """Return why a recipe with a base cannot be planned."""
    with pytest.raises(RecipeError) as caught:
        prepare(write_recipe(house / "refused.ftr", house / "photos", base=base))
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("side", [64, 75])
def test_the_parts_give_what_the_network_gives(house: Path, side: int) -> None:
    row = exported_row(args(house / "net-symbol.json", "net_flatten0_flatten0"))
    assert row.parts == ("stem", "block1", "block2", "block3", "block4")
    base, network = build(row, Size.square(side))
    assert base.features == 512
    load(network, house / "net-0000.params")
    x = nd.array(random_images(1, side, side))
    value = x
    for _, part in base.parts:
        value = part(value)
    assert value.shape == (1, 512, -(-side // 32), -(-side // 32))
    np.testing.assert_allclose(base.tail(value).asnumpy(), np.load(house / f"{side}.npy"), rtol=1e-5, atol=1e-6)


def test_where_to_cut_is_asked_and_answered(house: Path) -> None:
    file = house / "net-symbol.json"
    for cut, near in ((None, ""), ("net_stage4_activation", "net_stage4_activation0"), ("fc9", "")):
        with pytest.raises(RecipeError) as caught:
            exported_row(args(file, cut))
        (problem,) = caught.value.problems
        assert problem.code == "E545"
        assert problem.near == near
        assert problem.layers[:2] == ("net_flatten0_flatten0", "net_stage4_activation0")
        assert "`net_flatten0_flatten0`" in problem.help()
    problem = refused(house, f'symbol("net-symbol.json", params = "net-0000.params", cut = "fc9", {IMAGENET})')
    assert (problem.code, problem.span is not None) == ("E545", True)


def test_a_run_on_it_is_whole_without_the_files(house: Path, tmp_path: Path) -> None:
    base = f'symbol("net-symbol.json", params = "net-0000.params", cut = "net_stage3_activation0", {IMAGENET})'
    recipe = write_recipe(house / "r.ftr", house / "photos", STAGE + TOP, base=base, data="  size = 64px")
    train(recipe, tmp_path / "run")
    lock = (tmp_path / "run" / LOCK).read_text()
    assert 'name = "symbol net-symbol.json"' in lock
    assert "graph = " in lock
    photo = house / "photos/test/red/0.jpg"
    (first,) = predict(load_run(tmp_path / "run"), [photo], mx.cpu())
    pack_run(tmp_path / "run", tmp_path / "r.ftrpack")
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "r.ftrpack").rename(tmp_path / "elsewhere" / "r.ftrpack")
    (tmp_path / "run").rename(tmp_path / "gone")
    names = ["net-symbol.json", "net-0000.params"]
    for name in names:
        (house / name).rename(house / f"_{name}")
    try:
        (second,) = predict(load_run(moved), [photo], mx.cpu())
    finally:
        for name in names:
            (house / f"_{name}").rename(house / name)
    assert first.as_json()["classes"] == second.as_json()["classes"]
    # what the run itself has exported is a base as well, and says how it is normalized
    graph = tmp_path / "gone" / "model-symbol.json"
    with pytest.raises(RecipeError) as caught:
        exported_row(args(graph, None))
    cut = caught.value.problems[0].layers[0]
    own = f'symbol("{graph}", params = "{graph.with_name("model-0000.params")}", cut = "{cut}")'
    prepared = prepare(write_recipe(house / "own.ftr", house / "photos", base=own, data="  size = 32px"))
    assert prepared.plan.data.mean == (0.485, 0.456, 0.406)
    parts = [name for name in prepared.model.parts if name.startswith("base.")]
    assert parts == ["base.stem", "base.block1", "base.block2"]


def test_what_is_missing_is_said_before_anything_runs(house: Path) -> None:
    call = 'symbol("net-symbol.json", params = "{}", cut = "net_flatten0_flatten0"{})'
    assert refused(house, call.format("net-0000.params", "")).code == "E546"
    assert refused(house, call.format("other.params", f", {IMAGENET}")).code == "E520"
    assert refused(house, call.format("net-0000.params", f", {IMAGENET}").replace("net-s", "no-s")).code == "E544"
    (house / "short.params").write_bytes((house / "net-0000.params").read_bytes()[:-9])
    assert refused(house, call.format("short.params", f", {IMAGENET}")).code == "E522"


def test_weights_of_another_network_are_refused(house: Path) -> None:
    arrays = nd.load(str(house / "net-0000.params"))
    arrays["arg:net_stage1_conv0_weight"] = nd.zeros((64, 64, 1, 1))
    del arrays["arg:net_conv0_weight"]
    nd.save(str(house / "other.params"), arrays)
    call = f'symbol("net-symbol.json", params = "other.params", cut = "net_flatten0_flatten0", {IMAGENET})'
    problem = refused(house, call)
    assert (problem.code, problem.missing, problem.misshaped) == (
        "E527",
        ("net_conv0_weight",),
        ("net_stage1_conv0_weight",),
    )
    (house / "other.params").unlink()


def test_an_operator_that_could_run_code_is_refused(house: Path, tmp_path: Path) -> None:
    plain = json.loads((house / "net-symbol.json").read_text())
    for operator in ("Custom", "_foreach", "load", "save", "__import__"):
        plain["nodes"][-1]["op"] = operator
        (tmp_path / "net-symbol.json").write_text(json.dumps(plain))
        with pytest.raises(RecipeError, match=f"`{operator}`, which is not among the operators"):
            read_graph(tmp_path / "net-symbol.json")


def test_settings_that_mxnet_refuses_name_the_graph(house: Path, tmp_path: Path) -> None:
    plain = json.loads((house / "net-symbol.json").read_text())
    first = next(node for node in plain["nodes"] if node["op"] == "Convolution")
    first["attrs"]["kernel"] = "(900, 900)"
    (tmp_path / "net-symbol.json").write_text(json.dumps(plain))
    with pytest.raises(RecipeError) as caught:
        build(exported_row(args(tmp_path / "net-symbol.json", "net_flatten0_flatten0")), Size.square(64))
    assert caught.value.problems[0].code == "E547"
