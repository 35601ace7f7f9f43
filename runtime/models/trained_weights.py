"""Weights of networks that are bases themselves: of an exported graph, of a run of ours, and of its pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import (
    Arg,
    CallOf,
    Either,
    Entry,
    FilePath,
    ListOf,
    NothingType,
    Number,
    Text,
    Word,
)
from runtime.models import run_weights

if TYPE_CHECKING:
    from runtime.models.base import Base, Normalization
    from runtime.plan.types import Component


from runtime.models.file_weights import SHA256
from runtime.models.weights_source import WeightsSource, base_normalization


def _check_exported(base: Component) -> None:
    from runtime.models.exported import exported_row
    from runtime.weights.bounded import open_bounded
    from runtime.weights.params_file import check_sha256

    args, row = base.args, exported_row(base.args)
    with open_bounded(args["params"]):
        pass
    if args["sha256"] is not None:
        check_sha256(args["params"], args["sha256"])
    assert row.normalization, "or it has said that nothing says it"


def _load_exported(base: Component, cut: Base, whole: Any) -> None:  # noqa: ARG001 - the cut has these parameters
    from runtime.models.graph_blocks import load

    _check_exported(base)
    load(whole, base.args["params"])


def _exported_fits(base: Component, cut: Base, whole: Any) -> None:  # noqa: ARG001
    from runtime.models.graph_blocks import matched

    matched(whole, base.args["params"])


def _exported_facts(base: Component) -> dict[str, str | int]:
    from runtime.weights.params_file import sha256_of

    return {"graph": sha256_of(base.args["file"])}


_STATISTIC = Either((NothingType(), ListOf(Number(), 3)))


def _exported_normalization(base: Component) -> Normalization:
    from runtime.models.exported import exported_row

    return exported_row(base.args).normalization


EXPORTED = WeightsSource(
    Entry(
        "symbol",
        "A network that Gluon, or `ftr export --format symbol`, has exported, up to one of its layers.",
        (
            Arg("file", FilePath(), "The graph, `…-symbol.json`."),
            Arg("params", FilePath(), "Its weights, `…-0000.params`."),
            Arg(
                "cut",
                Either((NothingType(), Text())),
                "The layer behind which the head stands; `none` is refused with the names of some.",
                None,
            ),
            Arg("mean", _STATISTIC, "The mean of each channel of its images; read from beside ftr's own files.", None),
            Arg("std", _STATISTIC, "The standard deviation of each channel, likewise.", None),
            SHA256,
            Arg(
                "weights",
                Either((NothingType(), CallOf(("trained",)))),
                "A run of the same graph, or its pack, whose weights are taken; `none` takes those of `params`.",
                None,
                since="0.2",
            ),
        ),
        source="mxnet.gluon.HybridBlock.export",
        examples=(
            'base = symbol("net-symbol.json", params = "net-0000.params", cut = "flatten0_flatten0",'
            " mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])",
            'base = symbol(file = "net-symbol.json", params = "net-0000.params", cut = "relu5", sha256 = "0676ba61",'
            " mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5])",
            'base = symbol("net-symbol.json", params = "net-0000.params", cut = "relu5", weights = run("runs/net-1"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["params"]),
    check=_check_exported,
    load=_load_exported,
    fits=_exported_fits,
    normalization=_exported_normalization,
    facts=_exported_facts,
    of_zoos=False,
)


# --- those of a run of ours ------------------------------------------------------------------


def run_args(noun: str, *more: Arg) -> tuple[Arg, ...]:
    """Return what may be said of a run, or of a pack, whose network is the base."""
    head = Word(
        {
            "new": "Starts from random weights.",
            "kept": "Is the parent's, where the classes are the same.",
            "extended": "Is the parent's, with further outputs for the classes that it does not know.",
        }
    )
    return (Arg("path", FilePath(), noun), *more, Arg("head", head, "What becomes of the parent's head.", "new"))


def own_args(args: tuple[Arg, ...]) -> tuple[Arg, ...]:
    """Return them with what a recipe's resolved form says of the parent."""
    why = "where it is not that of the base; read from the parent"
    return (
        *args,
        Arg("mean", _STATISTIC, f"The mean of each channel of the parent's images, {why}.", None),
        Arg("std", _STATISTIC, f"The standard deviation of each channel of the parent's images, {why}.", None),
    )


_STAGE = Arg(
    "stage",
    Either((NothingType(), Number(1, 1000, whole=True), Text())),
    "The stage, by title or number, whose weights are taken; `none` takes the final ones.",
    None,
)
RUN_ARGS = run_args("The folder of the run.", _STAGE)
PACK_ARGS = run_args("The pack.")


_HALVES, _QUARTERS = "[0.5, 0.5, 0.5]", "[0.25, 0.25, 0.25]"


def _trained(name: str, doc: str, args: tuple[Arg, ...], example: str) -> WeightsSource:
    shown = (f"base = {example}, head = kept))", f"base = {example}, mean = {_HALVES}, std = {_QUARTERS}))")
    return WeightsSource(
        Entry(name, doc, own_args(args), examples=shown),
        provenance=lambda base: (f"{name} {base.args['weights'].args['path'].name}", None),
        check=run_weights.check,
        load=lambda base, cut, whole: run_weights.load(base, cut),
        load_head=run_weights.load_head,
        normalization=lambda base: run_weights.normalization(base) or base_normalization(base),
        facts=run_weights.facts,
        of_zoos=False,
    )


RUN = _trained(
    "run",
    "What an earlier run of the same network has learned.",
    RUN_ARGS,
    'packaged("efficientnet_lite0", weights = run(path = "runs/flowers-3", stage = 1',
)
PACK = _trained(
    "pack",
    "What the run in a pack has learned, of the same network.",
    PACK_ARGS,
    'gluoncv("resnet18_v1", weights = pack(path = "flowers.ftrpack"',
)
TRAINED = (RUN, PACK)
