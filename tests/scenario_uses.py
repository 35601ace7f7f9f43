"""What is done with the text of an example: it is checked, prepared, trained on, read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from planned import class_facts, facts, net_facts, plan_of

from recipe_lang.check.checker import check
from recipe_lang.compose.load import load, parse
from recipe_lang.problem import RecipeError
from recipe_lang.source import Source
from runtime.compile.weights_advice import with_weights_advice
from runtime.models.heads import head_block
from runtime.runs.lineage import load_recipe
from runtime.tasks.catalog import task_of
from runtime.tasks.classification.task import CLASSIFICATION
from runtime.vocabulary import VOCABULARY

TINY = 'gluoncv("cifar_resnet20_v1", weights = none)'


def checked_recipe(text: str) -> Any:
    Path("flowers.ftr").write_text(text, encoding="utf-8")
    return check(load("flowers.ftr"), VOCABULARY)


def _searched(recipe: Any) -> Any:
    from runtime.workflows.tune.space import search_space

    return search_space(recipe)


def _check_with_run(text: str) -> Any:
    return check(load_recipe(Source("flowers.ftr", text)), VOCABULARY)


def _prepared(text: str) -> Any:
    from runtime.workflows.preparation import prepare

    Path("flowers.ftr").write_text(text)
    return prepare(Path("flowers.ftr"))


def checked_json(text: str) -> Any:
    Path("flowers.ftr.json").write_text(text, encoding="utf-8")
    return check(load("flowers.ftr.json"), VOCABULARY)


def _check_text(text: str) -> Any:
    return check(parse(Source("text", text)), VOCABULARY)


def _list(text: str) -> None:
    from runtime.data.sets import list_sets

    recipe = checked_recipe(text)
    list_sets(recipe, task_of(recipe))


def _check_weights(text: str) -> None:
    from runtime.compile.components import component
    from runtime.models.network import check_weights

    check_weights(component(checked_recipe(text).fields["base"]))


def _open(text: str) -> None:
    from runtime.data.sets import check_images, list_sets

    recipe = checked_recipe(text)
    check_images(recipe, list_sets(recipe, CLASSIFICATION), CLASSIFICATION, 1, lambda done, total: None, lambda: False)


def _build(text: str, starts: bool = True) -> None:
    from runtime.backend.mx import mx
    from runtime.compile.components import component
    from runtime.data.sets import located
    from runtime.models.network import build_model, start_weights
    from runtime.vocabulary.rules.images import image_size

    recipe = checked_recipe(text)
    base = component(recipe.fields["base"])
    size, _ = image_size(recipe)
    model = build_model(
        base, [component(layer) for layer in recipe["head"]], size, partial(head_block, outputs={"classes": 2})
    )
    if starts:
        with located(base.span):
            start_weights(model, base, 0, mx.cpu())


def _run(text: str) -> None:
    from runtime.training.settings import RunSettings
    from runtime.workflows.preparation import prepare
    from runtime.workflows.run import run

    Path("flowers.ftr").write_text(
        f"{text}base = {TINY}\n".replace('"photos")', '"photos")\n  size = 32px\n  batch = 4')
    )
    run(prepare(Path("flowers.ftr")), RunSettings(workers=0), Path("run"))


def _out_of_memory(text: str) -> None:
    from runtime.commands.command import mxnet

    with mxnet():
        if checked_recipe(text).block("data")["batch"] > 1000:
            raise MemoryError


def _killed(text: str) -> None:
    from runtime.training.problems import RunKilled

    data = checked_recipe(text).block("data")
    if data["batch"] > 200:
        raise RecipeError(RunKilled(span=data.span_of("batch"), signal="SIGKILL", peak=4 * 10**9, batch=256, fits=32))


def _advised(
    train: tuple[int, ...],
    valid: tuple[int, ...] = (400, 400),
    shared: bool = False,
    odd: str = "",
    sides: tuple[int, int] | None = None,
) -> Callable[[str], Any]:
    """Return a check that knows how many images each class has, whether two sets share a file, and square sides.

    `odd` is a class that the table `labels.csv` has beside the others.
    """

    def advise(text: str) -> Any:
        from runtime.compile.compiler import compile_plan
        from runtime.compile.data_advice import plan_advice
        from runtime.compile.memory import MemoryEstimate
        from runtime.data.listing import Listing, Sample

        recipe = checked_recipe(text)
        classes = ("roses", "tulips", *((odd,) if odd and '"labels.csv"' in text else ()))
        counts = {"train": train[: len(classes)], "valid": valid, "test": (400, 400)}
        plan = compile_plan(recipe, class_facts(classes, counts, sides), net_facts(7))
        other = "all" if '"all.csv"' in text else "test"
        files = {"train": "1.jpg", "test": "1.jpg" if other == "all" else "2.jpg"} if shared else {}
        listings = {name: Listing((Sample("1", 0, Path(file)),), ("roses", "tulips")) for name, file in files.items()}
        each = 60_000_000 * plan.data.size.pixels // 224**2  # bytes; the machine is a small one
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("runtime.compile.data_advice.room", lambda processes: 8 * 10**9)
            advice = plan_advice(recipe, plan, listings, MemoryEstimate(500_000_000, each))
        return replace(recipe, advice=advice)

    return advise


def _advised_on_numbers(text: str) -> Any:
    from runtime.compile.compiler import compile_plan
    from runtime.compile.data_advice import plan_advice
    from runtime.compile.facts import DataFacts
    from runtime.tasks.regression.targets import NumberFacts

    recipe = checked_recipe(text)
    counts = {"train": (800,), "valid": (400,)}
    numbers = NumberFacts(("width", "weight"), (9.0, 400.0), (1.5, 220.0), ((5.0, 20.0), (90.0, 2000.0)), counts)
    return replace(recipe, advice=plan_advice(recipe, compile_plan(recipe, DataFacts(numbers), net_facts(7)), {}))


def _advised_on_files(text: str) -> Any:
    from runtime.compile.compiler import compile_plan
    from runtime.compile.data_advice import plan_advice
    from runtime.compile.facts import data_facts
    from runtime.data.sets import list_sets

    recipe = checked_recipe(text)
    listings = list_sets(recipe, CLASSIFICATION)
    plan = compile_plan(recipe, data_facts(listings, recipe), net_facts(7))
    found = plan_advice(recipe, plan, listings)
    return replace(recipe, advice=tuple(each for each in found if each.code >= "W790"))


def _read(text: str) -> Any:
    from runtime.compile.image_advice import image_advice
    from runtime.data.sets import check_images, list_sets
    from runtime.system.cache.disk import FeatureCache

    recipe = checked_recipe(text)
    listings = list_sets(recipe, CLASSIFICATION)
    sound, _ = check_images(recipe, listings, CLASSIFICATION, 1, lambda done, total: None, lambda: False)
    found = image_advice(recipe, listings, sound, 1, FeatureCache(Path("cache")), lambda: False)
    return replace(recipe, advice=found)


def _looked_at(text: str) -> Any:
    from runtime.compile.image_advice import files_advice
    from runtime.data.sets import list_sets

    recipe = checked_recipe(text)
    return replace(recipe, advice=files_advice(recipe, list_sets(recipe, CLASSIFICATION), 1))


def _batch(text: str) -> None:
    from steps import step

    from runtime.data.listing import Sample
    from runtime.data.loader import batches
    from runtime.data.transforms.catalog import TRANSFORMS, Pipeline

    names: dict[str, Any] = {name: partial(step, name) for name in TRANSFORMS}
    exec(text, names)
    samples = [Sample(f"{side}.png", 0, np.zeros((side, 40, 3), np.uint8)) for side in (30, 50)]
    no_randomness = lambda sample: np.random.default_rng(0)  # noqa: E731
    list(batches(samples, range(2), 2, Pipeline(names["steps"]), no_randomness, 0, False, np.array))


def _read_params(text: str) -> None:
    from runtime.backend.mx import nd
    from runtime.weights.params_file import read_params

    exec(text, {"nd": nd, "weight": nd.ones((2, 2))})
    read_params(Path("net.params"))


def _check_sum(text: str) -> None:
    from runtime.weights.params_file import check_sha256

    Path("net.params").write_bytes(b"net")
    exec(text.replace("0676ba61", "a08a0fcb"), {"check_sha256": check_sha256, "Path": Path})


def _read_torch(text: str) -> None:
    from runtime.weights.torch_file import read_torch_file

    code = b"\x80\x02cbuiltins\nprint\n." if "state_dict" not in text else b"\x80\x02ccollections\nOrderedDict\n)R."
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, facts))
    Path("net.pth").write_bytes(head + code + pickle.dumps([], 2))
    read_torch_file(Path("net.pth"))


def _weights_here(text: str) -> None:
    from runtime.compile.components import component
    from runtime.data.sets import located
    from runtime.models.network import check_weights

    base = component(checked_recipe(text).fields["base"])
    with located(base.span):
        check_weights(base)


def _norms(text: str) -> Any:
    from runtime.backend.mx import nd
    from runtime.models import efficientnet_lite
    from runtime.models.norm_statistics import norm_advice
    from runtime.plan.size import Size

    checked_recipe(text)
    base = efficientnet_lite.build("efficientnet_lite0", Size.square(64))
    efficientnet_lite.load_packaged("efficientnet_lite0", base)
    if "swapped" in text:
        block = dict(base.parts)["block6"]
        block[2].body[-1].norm.running_mean.set_data(block[3].body[-1].norm.running_mean.data() * 3)
    return SimpleNamespace(advice=norm_advice(base, nd.zeros((4, 3, 64, 64)), "swapped.pth"))


def _population(text: str) -> Any:
    from runtime.workflows.tune.pbt import changing

    changing(_on_photos(text), 1, "accuracy")


def _policy(text: str) -> Any:
    from runtime.workflows.tune.policy import check_shared

    check_shared(_on_photos(text).recipe)


def _on_photos(text: str) -> Any:
    from scenario_images import make_photos

    make_photos()
    return _prepared(text)


USES: dict[str, Callable[[str], Any]] = {
    "E634": _population,
    "E635": _policy,
    "E117": _check_text,
    **dict.fromkeys([f"E{number}" for number in range(501, 520)], _list),
    "E512": _open,
    "E513": _batch,
    **dict.fromkeys([f"E{number}" for number in (*range(520, 529), 541, 544, 547, 548)], _build),
    "E546": _weights_here,
    "E523": _read_params,
    "E524": _read_torch,
    "E525": _check_sum,
    "E540": _build,
    "E542": _weights_here,
    "E627": lambda text: _searched(checked_recipe(text)),
    "E550": plan_of,
    **dict.fromkeys(
        ("E539", "E549", "E569", "E529", "E536", "E537", "E538", "E553", "E565", "E566", "E567", "E568", "E588"), _list
    ),
    **dict.fromkeys((f"E{number}" for number in range(579, 588)), _list),
    **dict.fromkeys(("W755", "W756", "W757", "W786", "W787"), lambda text: _prepared(text)),
    **dict.fromkeys(("E576", "E577", "E578", "E590", "E591", "E592", "E593"), _list),
    **dict.fromkeys([f"E{number}" for number in range(595, 600)], _list),
    "E551": lambda text: plan_of(text, data=facts(320)),
    "E552": lambda text: _build(text, starts=False),
    **dict.fromkeys(("E554", "E555", "E557", "E559"), _check_weights),
    "E564": _check_with_run,
    "E601": _run,
    "E607": _out_of_memory,
    "E650": _killed,
    "W740": _advised((900, 100)),
    "W753": _advised((900, 60)),
    "W741": lambda text: _advised((7, 400) if "50%" in text else (12, 400))(text),
    "W742": _advised((400, 400), (15, 15)),
    "W743": lambda text: _advised(*(((450, 450), (50, 50)) if "10%" in text else ((250, 250), (250, 250))))(text),
    "W744": _advised((50, 50)),
    "W745": _advised((500, 500)),
    "W759": _advised((500, 500)),
    "W779": _advised((500, 500)),
    "W746": _advised((250, 250)),
    "W749": lambda text: _advised((400, 400), (60, 0) if "5%" in text else (80, 80))(text),
    "W750": lambda text: replace(recipe := checked_recipe(text), advice=with_weights_advice(recipe)),
    **dict.fromkeys(
        ("W774", "W775", "W776"),
        lambda text: replace(recipe := checked_recipe(text), advice=with_weights_advice(recipe)),
    ),
    "W751": _looked_at,
    "W760": _read,
    "W761": _read,
    **dict.fromkeys(("E610", "E611", "W764", "W765"), _prepared),
    "W771": _norms,
    "W748": _advised_on_numbers,
    "W747": _advised((400, 400), shared=True),
    "W770": _advised((400, 400)),
    "W777": _prepared,
    **dict.fromkeys(("E612", "W766", "W767", "W781"), _prepared),
    "W782": _prepared,
    "W785": _advised((400, 400)),
    **dict.fromkeys(("E594", "E589", "W790", "W791", "W792"), _advised_on_files),
    "W794": _advised((400, 400, 400), odd="Tulips"),
    "W795": _advised((400, 400, 400), odd="nan"),
    "W797": _advised((400, 400), sides=(64, 64)),
}
