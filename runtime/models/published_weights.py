"""Weights that others publish: of a zoo, at an address, or in a repository of a hub."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from recipe_lang.check.vocabulary import (
    Arg,
    Either,
    Entry,
    NothingType,
    Text,
)
from recipe_lang.problem import RecipeError
from runtime.models.catalog import BASES
from runtime.models.published import checkpoint, hub_file
from runtime.models.timm.catalog import TimmRow
from runtime.weights.hub_config import HubConfig, read_config
from runtime.weights.problems import OtherArchitecture
from runtime.weights.published import PublishedFile, commit_of, local_config, local_file
from runtime.weights.zoo_cache import zoo_cache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runtime.models.base import Base, Normalization
    from runtime.plan.types import Component


from runtime.models.file_weights import HEAD, SHA256, load_gluon
from runtime.models.weights_source import WeightsSource, base_normalization


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
        load_gluon(path, cut, whole)
    else:
        load_state(read_state(path), base, cut, whole)


def _published_fits(published: PublishedFile | None, base: Component, cut: Base, whole: Any) -> None:
    from runtime.models.pytorch import matched, read_state

    path = local_file(published) if published is not None else None
    if path is not None and path.suffix != _OF_GLUON:
        matched(read_state(path, shapes_only=True), base, cut, whole)


_OF_GLUON = ".params"


def _source(published: PublishedFile) -> tuple[str, Path | None]:
    """Return where a published file comes from, in a lock's words, and its path."""
    commit = commit_of(published)
    words = f"hub {published.repository}, commit {commit}" if commit else published.place
    return words, local_file(published)


# --- those that a zoo hosts, or that live on elsewhere ----------------------------------------


def _imagenet(kind: str, name: str, args: Mapping[str, Any]) -> PublishedFile | None:  # noqa: ARG001 - it takes none
    """Return the public checkpoint of a network, where the zoo's own file is not here."""
    found = None if kind != "timm" and _is_cached(name) else checkpoint(kind, name)
    return found.file if found is not None else None


def _imagenet_file(base: Component) -> PublishedFile | None:
    return _imagenet(base.name, base.args["name"], {})


def _imagenet_normalization(base: Component) -> Normalization:
    found = checkpoint(base.name, base.args["name"]) if _imagenet_file(base) is not None else None
    return base_normalization(base) if found is None else found.normalization


def _timm_images(base: Component) -> HubConfig | None:
    row = BASES[base.name][base.args["name"]]
    return HubConfig(side=row.native, crop=row.crop) if isinstance(row, TimmRow) else None


def _hosted(base: Component) -> tuple[str, Path | None]:
    if (published := _imagenet_file(base)) is not None:
        return _source(published)
    from runtime.weights.hosted import hosted_file

    return f"hosted by {base.name}", hosted_file(base.name, base.args["name"])


def _check_hosted(base: Component) -> None:
    if (published := _imagenet_file(base)) is not None:
        return _check_published(published)
    from runtime.weights.hosted import check_hosted

    return check_hosted(base.name, base.args["name"])


def _load_hosted(base: Component, cut: Base, whole: Any) -> None:
    if (published := _imagenet_file(base)) is not None:
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
        (HEAD,),
        examples=(
            'base = gluon("resnet18_v2", weights = imagenet)',
            'base = timm("regnety_004.pycls_in1k", weights = imagenet(head = new))',
        ),
    ),
    provenance=_hosted,
    check=_check_hosted,
    load=_load_hosted,
    fits=lambda base, cut, whole: _published_fits(_imagenet_file(base), base, cut, whole),
    normalization=_imagenet_normalization,
    images=_timm_images,
    published=_imagenet,
    is_here=_is_cached,
    as_in_torch=lambda base: _imagenet_file(base) is not None,
)


# --- those of a repository of a hub ----------------------------------------------------------


def _hub(kind: str, name: str, args: Mapping[str, Any]) -> PublishedFile:  # noqa: ARG001 - the repository says it all
    return replace(
        hub_file(args["repository"], args["revision"] or "", args["file"] or ""), sha256=(args["sha256"] or "").lower()
    )


def _hub_file(base: Component) -> PublishedFile:
    return _hub(base.name, base.args["name"], base.args["weights"].args)


def _check_hub(base: Component) -> None:
    from runtime.weights.fetched import fetch_config

    published = _hub_file(base)
    path = fetch_config(published)
    config = read_config(path, published.place) if path is not None else HubConfig()
    if not published.file.endswith(_OF_GLUON):
        _check_architecture(base, published, config.architecture)
    _check_published(published)


def _check_architecture(base: Component, published: PublishedFile, architecture: str) -> None:
    """Refuse weights that say that they are of another network, and any for a base that PyTorch does not have."""
    from runtime.models.torch_names import PAIRS

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
    from runtime.models.torch_names import PAIRS

    return name in PAIRS and f"timm/{architecture}" in PAIRS[name].networks


def _hub_config(base: Component) -> HubConfig | None:
    published = _hub_file(base)
    path, _ = local_config(published)
    return read_config(path, published.place) if path is not None else None


def _hub_normalization(base: Component) -> Normalization:
    config = _hub_config(base)
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
                "The file in it; `none` is `model.safetensors` (or its index), else `pytorch_model.bin`.",
                None,
            ),
            SHA256,
            HEAD,
        ),
        source="huggingface_hub.hf_hub_download",
        examples=(
            'base = gluoncv("resnet50_v1d", weights = hub("timm/resnet50d.gluon_in1k"))',
            'base = gluoncv("resnet50_v1d", weights = hub(repository = "me/resnet50d", revision = "v1",'
            ' file = "pytorch_model.bin", sha256 = "0676ba61"))',
        ),
    ),
    provenance=lambda base: _source(_hub_file(base)),
    check=_check_hub,
    load=lambda base, cut, whole: _load_published(_hub_file(base), base, cut, whole),
    fits=lambda base, cut, whole: _published_fits(_hub_file(base), base, cut, whole),
    normalization=_hub_normalization,
    images=_hub_config,
    published=_hub,
    as_in_torch=lambda base: not _hub_file(base).file.endswith(_OF_GLUON),
)
