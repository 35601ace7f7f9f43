"""The weights, runs, locks and packs that examples tell of: `RUNS` by code."""

from __future__ import annotations

import glob
import json
import shlex
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from packs import RECIPE, make_run, pack_run
from PIL import Image
from scenario_images import make_photos
from scenario_uses import TINY, checked_recipe

from runtime.tasks.classification.task import CLASSIFICATION

RUN = (
    f'ftr 1\nparam lr = 1e-3\ndata {{\n  train = folder("photos")\n  size = 32px\n  batch = 8\n}}\nbase = {TINY}\n'
    'stage "head" {\n  train = head\n  for = 1 epoch\n  optimizer = adam(lr = $lr)\n}\n'
)


def typed(lines: str) -> str:
    """Run lines of a shell, those of `ftr` in this process; return what they say on standard error.

    What starts several processes is left to `tests/runtime/distribution/`.
    """
    from runtime.cli import app

    said = ""
    for line in lines.splitlines():
        if line.startswith("ftr "):
            words = [name for word in shlex.split(line)[1:] for name in (glob.glob(word) if "*" in word else [word])]
            said += CliRunner().invoke(app, words).stderr
        elif not line.startswith("mpiexec "):
            subprocess.run(line, shell=True, check=True)
    return "\n".join(line.rstrip() for line in said.strip().splitlines())


def _flowers(right: bool) -> None:
    make_photos()
    Path("flowers.ftr").write_text(RUN)


def _one_in_the_holdout() -> None:
    from runtime.data.sets import list_sets

    make_photos(roses=25, tulips=125)
    recipe = checked_recipe(RUN.replace('"photos")', '"photos")\n  valid = holdout(1%)'))
    (held,) = [sample for sample in list_sets(recipe, CLASSIFICATION)["valid"].samples if sample.target == 0]
    Path(held.image).write_text("<!DOCTYPE html><html>")


def _weights(right: bool) -> None:
    from runtime.backend.mx import mx
    from runtime.models import zoo as families

    net = families.build("gluoncv", "cifar_resnet20_v1")
    net.initialize(mx.init.Zero())
    net(mx.nd.zeros((1, 3, 32, 32)))
    Path("models").mkdir()
    net.save_parameters("net.params")
    data = Path("net.params").read_bytes()
    Path("models/net.params").write_bytes(data)
    Path("copy.params").write_bytes(data[:-100])
    Path("download.params").write_text("<!DOCTYPE html><html>")


TRAINED: list[Path] = []  # the folder of the one run that all examples of finished runs share


def finished_run(right: bool) -> None:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    make_photos(roses=10, tulips=10)
    Path("flowers.ftr").write_text(RUN)
    Path("notes.txt").touch()
    Image.new("RGB", (40, 36)).save("rose.jpg")
    if not TRAINED:
        folder = Path(tempfile.mkdtemp())
        run(prepare(Path("flowers.ftr")), RunSettings(workers=0), folder)
        TRAINED.append(folder)
    shutil.copytree(TRAINED[0], "runs/flowers-1")


def _teachers(right: bool) -> None:
    """Leave runs of flowers, of cats, of tags, of larger images, and of smoothed labels."""
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    finished_run(right)
    changed = {"smoothed-1": ("label_smoothing = 0", "label_smoothing = 0.1"), "large-1": ("= 32px", "= 64px")}
    for name, (old, new) in {**changed, "cats-1": ("", "")}.items():
        resolved = shutil.copytree("runs/flowers-1", Path("runs", name)) / "resolved.ftr"
        resolved.write_text(resolved.read_text().replace(old, new))
    Path("runs/cats-1/classes.json").write_text('["persian", "siamese"]')
    rows = [f"{path},{path.parent.name}" for path in sorted(Path("photos").rglob("*.jpg"))]
    Path("tags.csv").write_text("\n".join(["file,tags", *rows]))
    tags = RUN.replace('folder("photos")', 'csv("tags.csv", image = "file", labels = "tags")')
    Path("tags.ftr").write_text(tags.replace("ftr 1\n", "ftr 1\ntask = multi_label\n"))
    run(prepare(Path("tags.ftr")), RunSettings(workers=0), Path("runs/tags-1"))


def _skipping(right: bool) -> None:
    finished_run(right)
    path = Path("runs/flowers-1/resolved.ftr")
    path.write_text(path.read_text().replace("on_error = stop", "on_error = skip"))


def _new_photos(right: bool) -> None:
    """Leave a run, its pack, and photos that it has not seen."""
    finished_run(right)
    pack_run(Path("runs/flowers-1"), Path("flowers.ftrpack"))
    for name, colour in {"roses": (200, 9, 9), "tulips": (9, 9, 200)}.items():
        Path("photos-of-2026", name).mkdir(parents=True)
        Image.new("RGB", (40, 36), colour).save(f"photos-of-2026/{name}/1.jpg")


def _left(right: bool) -> None:
    _interrupted(right)
    Path("longer.ftr").write_text(RUN.replace("1 epoch", "2 epochs"))


def _exported(right: bool) -> None:
    finished_run(right)
    from runtime.backend.mx import mx
    from runtime.runs.trained import load
    from runtime.workflows.export import export

    export(load(Path("runs/flowers-1")), "symbol", Path("flowers"), mx.cpu())
    Path("found.onnx").write_bytes(b"found")


def _interrupted(right: bool, leave: Callable[[bool], None] = finished_run) -> None:
    """Leave a run of flowers.ftr, as if it had run here and had been interrupted."""
    leave(right)
    recipe = str(Path("flowers.ftr").absolute())
    for name, changed in (("run.json", {"recipe": recipe}), ("result.json", {"status": "interrupted"})):
        path = Path("runs/flowers-1") / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def _damaged(right: bool) -> None:
    _left(right)
    for path in Path("runs/flowers-1/checkpoints").glob("*.params"):
        path.write_bytes(path.read_bytes()[:-7])


def _foreign_checkpoint(right: bool) -> None:
    from runtime.runs.checkpoints import Checkpoints, newest
    from runtime.training.state import Snapshot

    _left(right)
    folder = Path("runs/flowers-1")
    found = newest(folder)
    assert found is not None
    arrays = {"model/head.0.weight": np.zeros((2, 3), np.float32)}
    snapshot = Snapshot(found.state.as_plain(), {"now": ("", lambda: arrays)})
    Checkpoints(folder, found.recipe).write(snapshot, found.metrics_bytes, found.elapsed_s)


def _edited(right: bool) -> None:
    _left(right)
    Path("flowers.ftr").write_text(RUN.replace("1e-3", "2e-3"))


def _never_run(right: bool) -> None:
    make_photos(roses=10, tulips=10)
    _recipe(right)


def _locked_recipe(right: bool) -> None:
    _never_run(right)
    typed("ftr lock flowers.ftr --threads 1")


def _merged(right: bool) -> None:
    _never_run(right)
    Path("flowers.ftr.lock").write_text("lock = 1\n\n[data]\n<<<<<<< HEAD\n")


def _parent_run(right: bool) -> None:
    make_photos()
    text = RECIPE.replace('gluoncv("cifar_resnet20_v1", weights = none)', 'packaged("efficientnet_lite0")')
    folder = make_run(Path("runs/flowers-3"), ("roses", "tulips", "violets"), text)
    result = json.loads((folder / "result.json").read_text())
    result["valid"]["temperature"] = 1.5
    (folder / "result.json").write_text(json.dumps(result))


def _detector(right: bool) -> None:
    from runtime.backend.mx import mx
    from runtime.models import zoo as families

    make_photos()
    net = families.build("gluoncv", "resnet18_v1b")
    net.initialize(mx.init.Zero())
    net(mx.nd.zeros((1, 3, 64, 64)))
    net.save_parameters("resnet18_v1b.params")
    layers = [net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4]
    blocks = mx.gluon.nn.HybridSequential()
    blocks.add(*layers)
    arrays = {f"base_network.base_network.{name}": each for name, each in blocks._collect_params_with_prefix().items()}
    mx.nd.save("center_net.params", {name: each.data() for name, each in arrays.items()} | {"head.bias": mx.nd.ones(3)})


def packed_run(right: bool) -> None:
    """Leave a pack, half of it, and one to which something was added."""
    finished_run(right)
    pack_run(Path("runs/flowers-1"), Path("flowers.ftrpack"))
    Path("half.ftrpack").write_bytes(Path("flowers.ftrpack").read_bytes()[:9000])
    shutil.copy("flowers.ftrpack", "found.ftrpack")
    with zipfile.ZipFile("found.ftrpack", "a") as archive:
        archive.writestr("../../.bashrc", "")


def _recipe(right: bool, encoding: str = "utf-8") -> None:
    Path("flowers.ftr").write_text(RUN, encoding=encoding)


def _squeezenet() -> None:
    """Leave weights with the names of torchvision's squeezenet1_1."""
    from runtime.models.pytorch import built, infer
    from runtime.models.torch_names import torch_names
    from runtime.plan.size import Size
    from runtime.weights.safetensors_file import write_safetensors

    whole, cut = built("gluon", "squeezenet1.1", Size.square(64))
    infer(cut, Size.square(64))
    shapes = {name: each.shape for name, each in torch_names(whole, "squeezenet1.1").items()}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if 0 not in shape}
    write_safetensors(Path("net.safetensors"), arrays)


def _classifier(classes: int) -> None:
    """Leave weights of a network of timm with a classifier."""
    from runtime.models.pytorch import built, infer
    from runtime.models.timm.network import timm_names
    from runtime.plan.size import Size
    from runtime.weights.safetensors_file import write_safetensors

    whole, cut = built("timm", "regnety_004.pycls_in1k", Size.square(64))
    infer(cut, Size.square(64))
    shapes = {name: each.shape for name, each in timm_names(whole).items()}
    shapes |= {name: (classes, *shape[1:]) for name, shape in shapes.items() if name.startswith("head.fc.")}
    write_safetensors(Path("net.safetensors"), {name: np.ones(shape, np.float32) for name, shape in shapes.items()})


def _exported_net() -> None:
    """Leave a network of Gluon's, exported: a convolution, and a dense layer for images of 64 x 64 pixels."""
    from runtime.backend.mx import mx, nn

    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Conv2D(4, 3, strides=2, padding=1), nn.Flatten(), nn.Dense(8), nn.Dense(2))
    net.initialize()
    net.hybridize()
    net(mx.nd.zeros((1, 3, 64, 64)))
    net.export("net")


def _searched_recipe() -> None:
    make_photos(roses=10, tulips=10)
    Path("flowers.ftr").write_text(RUN.replace("1e-3\n", "1e-3 in log(1e-5 .. 1e-1)\n"))


def _searched_loss() -> None:
    _searched_recipe()
    recipe = Path("flowers.ftr")
    recipe.write_text(recipe.read_text() + "param gamma = 2.0 in 0 .. 5\nloss = focal(gamma = $gamma)\n")


def _population(right: bool) -> None:  # noqa: ARG001
    """Leave a population of a recipe that can be searched, as it begins."""
    from runtime.workflows.tune.folder import StudyOptions, new_folder
    from runtime.workflows.tune.pbt import settings_of

    _searched_recipe()
    options = StudyOptions("flowers.ftr", (), None, False, ("accuracy",), "pbt", None, 0, None)
    settings_of(new_folder(None, "flowers", options), 5, 1, "accuracy", 0)


RUNS: dict[str, Callable[[bool], None]] = {
    "E633": _population,
    "E108": lambda right: _recipe(right, "utf-16"),
    "E109": lambda right: (_recipe(right), Path("flowers.csv").write_text("1,2\n" * 500_000))[0],
    "E110": _recipe,
    "E118": _recipe,
    "E210": _recipe,
    "E520": lambda right: (_weights(right), Path("net.params").unlink())[0],
    **dict.fromkeys(("E521", "E522", "E526", "E527", "E540"), _weights),
    **dict.fromkeys(("E541", "E542", "E543"), lambda right: _squeezenet()),
    "E548": lambda right: _classifier(3),
    "W777": lambda right: (make_photos(), _classifier(2))[0],
    **dict.fromkeys(("E544", "E545", "E546", "E547"), lambda right: _exported_net()),
    "W761": lambda right: _one_in_the_holdout(),
    **dict.fromkeys(("E560", "E563"), _never_run),
    "E561": _locked_recipe,
    "E562": _merged,
    **dict.fromkeys(("E570", "E571", "E572"), packed_run),
    "E575": lambda right: _interrupted(right, packed_run),
    **dict.fromkeys(("E602", "E603", "E604", "E605", "E606", "E608", "E654", "E655", "E690"), finished_run),
    **dict.fromkeys(("E613", "E617", "E618", "E619", "E620"), finished_run),
    "E691": _interrupted,
    **dict.fromkeys(("E695", "E696"), _new_photos),
    "E564": _parent_run,
    **dict.fromkeys(("E612", "W766", "W767", "W781"), _parent_run),
    **dict.fromkeys(("E610", "E611", "W764", "W765"), _teachers),
    "W782": _detector,
    "E640": _damaged,
    "E641": _foreign_checkpoint,
    "E642": _edited,
    **dict.fromkeys(("E643", "E644", "E645"), _left),
    **dict.fromkeys(("E646", "E647", "E648", "E651", "E652"), finished_run),
    "E653": _skipping,
    "E621": lambda right: _searched_loss(),
    **dict.fromkeys(("E625", "E626", "E630", "E631", "E632"), lambda right: _searched_recipe()),
    **dict.fromkeys(("E628", "E629"), lambda right: (_searched_recipe(), typed("ftr tune flowers.ftr --trials 1"))[0]),
    **dict.fromkeys(("E659", "E660", "E661"), _flowers),
    "E649": _exported,
}
