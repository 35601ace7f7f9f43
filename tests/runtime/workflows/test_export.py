"""`ftr export` to ONNX and safetensors, its check, and what `ftr verify` says of the files."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import Ftr
from odd_images import odd_images
from toy import STAGE, train, write_recipe

from runtime.backend.mx import mx
from runtime.data.images import open_rgb
from runtime.export.safetensors import as_original, encoded, foreign_names
from runtime.export.session import session
from runtime.models.heads import head_block
from runtime.models.network import build_model, start_weights
from runtime.models.packaged import packaged_file
from runtime.models.pytorch import load_state, read_state
from runtime.plan.size import Size
from runtime.plan.types import Component
from runtime.runs.prediction import predict
from runtime.runs.trained import load
from runtime.tasks.catalog import TASKS
from runtime.weights.torch_file import read_torch_file

LITE = 'packaged("efficientnet_lite0")'


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exported")
    stage = STAGE.replace("1 epoch", "4 epochs\n  optimizer = adam(lr = 1e-2)")
    train(write_recipe(root / "colours.ftr", photos, stage, base=LITE, data="  size = 48px"), root / "run")
    return root / "run"


def read(path: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str]]:
    """Read a safetensors file as its specification says."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    begin = 8 + length
    arrays = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32"
        first, last = (begin + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(content[first:last], "<f4").reshape(entry["shape"])
    assert max(entry["data_offsets"][1] for entry in header.values()) == len(content) - begin
    return arrays, metadata


@pytest.mark.parametrize("raw", [False, True])
def test_a_graph_answers_as_predict_does(raw: bool, ftr: Ftr, trained: Path, photos: Path, tmp_path: Path) -> None:
    code, out, err = ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net.onnx", *["--raw"] * raw)
    assert (code, err) == (0, "")
    assert "100% of answers the same on 24 images of test" in out
    assert ("input `data`" if raw else "input `image`") in out
    image = photos / "test/red/0.jpg"
    loaded = load(trained)
    (prediction,) = predict(loaded, [image], mx.cpu())
    answer = session((tmp_path / "net.onnx").read_bytes())
    if raw:
        from runtime.data.decoded import opening
        from runtime.data.sets import to_input

        pixels = np.asarray(opening(loaded.data.prepare, None, False)(image))[None]
        given = to_input(pixels, loaded.data.mean, loaded.data.std, mx.cpu()).asnumpy()
    else:
        given = np.asarray(open_rgb(image))[None]
    for batch in (given, np.concatenate([given] * 3)):
        shares = dict(zip(loaded.data.target.names, answer(batch)[-1], strict=True))
        assert shares == pytest.approx(dict(prediction.classes), abs=1e-4)
    metadata = {each.key: each.value for each in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert json.loads(metadata["names"]) == ["blue", "green", "red"]
    beside = json.loads((tmp_path / "net.onnx.json").read_text())
    assert beside["output"]["names"] == ["blue", "green", "red"]
    assert beside["check"]["images"] == 24
    if raw:
        assert [step["name"] for step in beside["input"]["prepare"]] == ["resize", "center_crop"]


def test_odd_images_are_answered_as_by_predict(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    assert ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net").code == 0
    answer = session((tmp_path / "net.onnx").read_bytes())
    (tmp_path / "odd").mkdir()
    files = odd_images(tmp_path / "odd", 50)
    loaded = load(trained)
    names = loaded.data.target.names
    apart = []
    for prediction in predict(loaded, files, mx.cpu()):
        assert not prediction.error
        (shares,) = answer(np.asarray(open_rgb(Path(prediction.image)))[None])
        assert prediction.classes[0][0] == names[int(shares.argmax())], prediction.image
        expected = dict(prediction.classes)
        apart.append(max(abs(expected[name] - share) for name, share in zip(names, shares, strict=True)))
    assert max(apart) < 5e-3  # small images, a steep head: one level of a pixel shows
    assert np.mean(np.array(apart) < 1e-3) >= 0.9


def test_verify_knows_what_was_exported(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    assert ftr("export", run, "--format", "onnx", "--out", tmp_path / "net").code == 0
    (tmp_path / "net.onnx").rename(tmp_path / "renamed.onnx")
    told = ftr("verify", tmp_path / "renamed.onnx", "--run", run)
    assert told.code == 0
    assert "identical" in told.out
    assert "of answers the same" in told.out
    pack = tmp_path / "run.ftrpack"
    assert ftr("pack", run, "-o", pack).code == 0
    assert ftr("verify", tmp_path / "renamed.onnx", "--run", pack).code == 0
    assert "of answers the same" in ftr("unpack", pack, "-o", tmp_path / "again").out + (
        tmp_path / "again/README.md"
    ).read_text().replace("\\", "")
    (tmp_path / "renamed.onnx").write_bytes((tmp_path / "renamed.onnx").read_bytes()[:-1])
    told = ftr("verify", tmp_path / "renamed.onnx", "--run", run)
    assert told.code == 1
    assert "error[E649]" in told.err
    assert ftr("verify", tmp_path / "renamed.onnx").code == 2


def test_a_graph_that_answers_otherwise_is_not_written(
    ftr: Ftr, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "runtime.workflows.export_check.session", lambda content: lambda given: np.array([[0.2, 0.3, 0.5]])
    )
    told = ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net")
    assert told.code == 1
    assert "error[E648]" in told.err
    assert list(tmp_path.iterdir()) == []
    told = ftr("export", trained, "--format", "onnx", "--out", tmp_path / "net", "--unchecked")
    assert told.code == 0
    assert "not checked, as asked" in told.out


def test_a_symbol_has_its_names_and_preprocessing_beside_it(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    assert ftr("export", trained, "--out", tmp_path / "net").code == 0
    beside = json.loads((tmp_path / "net-0000.params.json").read_text())
    assert beside["output"]["names"] == ["blue", "green", "red"]
    assert beside["output"]["shape"] == ["batch", 3]
    assert beside["input"]["shape"] == ["batch", 3, 48, 48]
    assert [step["name"] for step in beside["input"]["prepare"]] == ["resize", "center_crop"]
    assert len(beside["input"]["mean"]) == len(beside["input"]["std"]) == 3
    assert ftr("verify", tmp_path / "net-symbol.json", "--run", trained).code == 0
    assert ftr("verify", tmp_path / "net-0000.params", "--run", trained).code == 0


def test_options_of_onnx_are_for_onnx(ftr: Ftr, trained: Path) -> None:
    assert "--raw, --precision and --unchecked are for --format onnx" in ftr("export", trained, "--raw").err


def test_safetensors_hold_the_whole_model(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    assert ftr("export", trained, "--format", "safetensors", "--out", tmp_path / "net").code == 0
    arrays, metadata = read(tmp_path / "net.safetensors")
    mine = load(trained).model.arrays()
    assert sorted(each.tobytes() for each in arrays.values()) == sorted(each.tobytes() for each in mine.values())
    assert json.loads(metadata["names"]) == ["blue", "green", "red"]
    assert arrays["_fc.weight"].shape == (3, 1280)


@pytest.mark.parametrize("name", ["efficientnet_lite0"])
def test_names_of_the_packaged_file_come_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    base = Component("packaged", {"name": name, "weights": Component("packaged", {})})
    layers = [Component("dense", {"units": 5})]
    model = build_model(base, layers, Size.square(32), lambda cut, given: head_block(cut, given, {}))
    start_weights(model, base, 1, mx.cpu())
    names = foreign_names(model, base)
    (tmp_path / "m.safetensors").write_bytes(encoded({names[k]: v for k, v in model.arrays().items()}, {}))
    found, _ = read(tmp_path / "m.safetensors")
    expected = {key: v for key, v in read_torch_file(packaged_file(name)).arrays.items() if "num_batches" not in key}
    assert set(found) == set(expected)
    for key in expected.keys() - {"_fc.weight", "_fc.bias"}:
        assert found[key].tobytes() == np.asarray(expected[key], np.float32).tobytes(), key


ORIGINALS = {
    ("gluoncv", "resnet18_v1b"): ("fc", {"layer1.0.bn2.running_var": (64,)}),
    ("gluoncv", "mobilenetv3_small"): (
        "classifier.3",
        {"classifier.0.weight": (1024, 576), "features.1.block.1.fc1.weight": (8, 16, 1, 1)},
    ),
    ("gluon", "squeezenet1.1"): (None, {"features.3.squeeze.weight": (16, 64, 1, 1)}),
    ("timm", "regnety_004.pycls_in1k"): ("head.fc", {"s1.b1.se.fc1.weight": (8, 48, 1, 1)}),
}
"""By the base: what its classifier is called in PyTorch, and the shapes of some of its arrays there."""


@pytest.mark.parametrize("key", ORIGINALS, ids=lambda key: key[1])
def test_a_file_with_names_of_pytorch_comes_back_bit_for_bit(key: tuple[str, str], tmp_path: Path) -> None:
    kind, name = key
    classifier, shapes = ORIGINALS[key]
    base = Component(kind, {"name": name, "weights": None})
    side = Size.square(64)
    models = [
        build_model(base, [Component("dense", {"units": 5})], side, lambda cut, given: head_block(cut, given, {}), True)
        for _ in range(2)
    ]
    for model in models:
        for parameter in model.parameters.values():
            parameter.initialize(mx.init.Normal(), force_reinit=True)
    mine = models[0].arrays()
    arrays = as_original(foreign_names(models[0], base), mine)
    assert {each: arrays[each].shape for each in shapes} == shapes
    assert any(each.startswith(classifier or "head") for each in arrays)
    (tmp_path / "m.safetensors").write_bytes(encoded(arrays, {"format": "pt"}))
    state = read_state(tmp_path / "m.safetensors")
    assert {each: values.tobytes() for each, values in state.arrays.items()} == {
        each: values.tobytes() for each, values in arrays.items()
    }
    if classifier:  # what is left of a file with a head of ours is not PyTorch's
        load_state(state, base, models[1].base, models[1].whole)
        again = models[1].arrays()
        assert all(again[each].tobytes() == mine[each].tobytes() for each in mine if each.startswith("base."))


def test_an_ending_that_no_format_has_is_refused(ftr: Ftr, trained: Path, tmp_path: Path) -> None:
    for name in ("y.bin", "y.params"):
        told = ftr("export", trained, "-o", tmp_path / name)
        assert told.code == 2
        assert ".onnx, .safetensors; a name without an ending is the prefix" in " ".join(told.err.split())
    for name, options in (("flowers.v2", ()), ("flowers.3", ()), ("y.bin", ("--format", "symbol"))):
        assert ftr("export", trained, "-o", tmp_path / name, *options).code == 0
        assert (tmp_path / f"{name}-symbol.json").is_file()


def test_a_zoo_network_that_is_not_pytorch_s_keeps_our_names() -> None:
    for name, as_torch in (("resnet18_v1", None), ("mobilenetv3_small", False)):
        base = Component("gluoncv", {"name": name, "weights": None})
        layers = [Component("dense", {"units": 5})]
        model = build_model(base, layers, Size.square(64), lambda cut, given: head_block(cut, given, {}), as_torch)
        assert all(ours == theirs for ours, theirs in foreign_names(model, base).items())


def test_a_head_of_several_layers_keeps_our_names() -> None:
    base = Component("timm", {"name": "regnety_004.pycls_in1k", "weights": None})
    layers = [Component("dense", {"units": 9}), Component("dense", {"units": 5})]
    model = build_model(base, layers, Size.square(32), lambda cut, given: head_block(cut, given, {}))
    names = foreign_names(model, base)
    assert names["head.1.weight"] == "head.1.weight"
    assert {"stem.conv.weight", "s1.b1.conv1.bn.running_mean"} <= set(names.values())


def test_numbers_are_compared_in_standard_deviations() -> None:
    from runtime.tasks.regression.network import Prediction
    from runtime.tasks.regression.targets import NumberFacts

    task = TASKS["regression"]
    facts = NumberFacts.__new__(NumberFacts)
    object.__setattr__(facts, "target_std", (10.0,))
    near = task.agreement(Prediction("", (("red", 100.0),)), np.array([100.005], np.float32), facts, 1e-3)
    far = task.agreement(Prediction("", (("red", 100.0),)), np.array([101.0], np.float32), facts, 1e-3)
    assert (near.same, far.same) == (True, False)
    assert far.difference == pytest.approx(0.1)
