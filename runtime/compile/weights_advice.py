"""Advice on weights that may not be had (W750), not be had again (W775), or saw other images (W774, W776).

In goes a checked recipe; out comes its own advice with ours, less what comments suppress: one look at folders, no
network. `ftr plan` asks the host, too, and refuses; then it knows what a hub says of images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import floor
from typing import TYPE_CHECKING

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import apply_suppressions
from recipe_lang.compose.merge import files
from recipe_lang.problem import Kind, Problem, RecipeError, ordered
from runtime.compile.components import component
from runtime.compile.image_steps import prepare_steps
from runtime.data.transforms.reading import NORMALIZE
from runtime.models.availability import Availability, arguments, availability
from runtime.models.catalog import BASES, crop_share
from runtime.models.timm.catalog import TIMM
from runtime.models.weights_sources import source_for, source_of
from runtime.plan.size import Size
from runtime.vocabulary.rules.images import image_size
from runtime.weights.published import commit_of, is_commit
from runtime.weights.zoo_cache import zoo_cache

if TYPE_CHECKING:
    from recipe_lang.source import Span
    from runtime.plan.types import Component
    from runtime.weights.hub_config import HubConfig

WeightsNotCached = Kind(
    "W750",
    "weights not cached",
    reason="""The zoos' hosted weights are reported gone: what the zoo's cache does not hold can seldom be downloaded.

    `ftr plan` and `ftr run` ask the host before anything else, and refuse where it has no such file.""",
    source="https://github.com/dmlc/gluon-cv/issues/1778",
    fields="zoo name folder",
    message='the `imagenet` weights of {zoo}("{name}") are not in {folder}, and the hosted ones may be gone',
    help=(
        'if you have the file, write `weights = gluon_params("file.params")`\n'
        'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
    ),
)


MovingRevision = Kind(
    "W775",
    "weights of a moving revision",
    reason="""A repository's newest files are others tomorrow: who runs the recipe later gets other weights.

    A lock notes the commit and the hash, and a run that is to repeat it refuses other bytes. A commit in the recipe
    gets the same ones.""",
    source="https://huggingface.co/docs/huggingface_hub/guides/download",
    fields="repository",
    optional={"commit": ""},
    message="`{repository}` may change: the recipe names no commit of it",
    help=lambda p: f'write `revision = "{p.commit}"`, which is here' if p.commit else "write `revision = …`, a commit",
)

OtherImages = Kind(
    "W776",
    "weights of other images",
    reason="""A network that has learned on objects of one size in an image knows less of larger and smaller ones.

    Compared are the size of the images and the share of the shorter side that the centre crop keeps with what timm's
    list, or the repository's `config.json`, says of the weights. What a recipe states itself is not questioned, but for
    a size below a third of theirs. ftr resizes bicubic unless told otherwise: bilinear is mentioned beside a crop.""",
    source="Touvron et al. 2019, arXiv 1906.06423",
    fields="name theirs ours fix",
    message="the weights of `{name}` were made for {theirs}; here {ours}",
    help="in `data` write `{fix}`",
)

OtherNormalization = Kind(
    "W774",
    "other normalization",
    reason="""The same network is published with weights for which images are normalized in different ways, as the
    Vision Transformers of AugReg and of DeiT. A file of one's own fits them all and does not say which it is: the base
    that the recipe names decides. With the wrong one nothing fails, and the features are worse.

    Where the base is the one that the weights come from, a comment `# allow: W774` says so.""",
    source="`mean` and `std` in timm's `pretrained_cfg` of each",
    fields="path others mean std taken theirs",
    message="`{path}` may be of {others:or}, which {others:plural normalizes|normalize} images differently;"
    " taken is mean {mean} and std {std}, as for `{taken}`",
    help="name the base that it comes from, or end `prepare` with {theirs}",
)


def weights_here(recipe: CheckedRecipe) -> Availability:
    """Return where the weights of a recipe's base are."""
    base: CallValue = recipe["base"]
    if "name" not in base.args:
        return Availability("here")  # it is a file itself, or a run
    return availability(base.name, base["name"], base["weights"])


def with_weights_advice(recipe: CheckedRecipe) -> tuple[Problem, ...]:
    """Return a recipe's advice, with that on its base's weights."""
    found = list(_advice(recipe))
    if not found:
        return recipe.advice
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered((*recipe.advice, *apply_suppressions(found, sources, lambda code: False))))


def images_advice(recipe: CheckedRecipe) -> tuple[Problem, ...]:
    """Return advice where a recipe shows a base other images than its weights saw, as far as that is known here."""
    sources = [file.source for file in files(recipe.written)]
    found = [*_other_images(recipe), *_other_normalization(recipe)]
    return tuple(apply_suppressions(found, sources, lambda code: False))


def _advice(recipe: CheckedRecipe) -> Iterator[Problem]:
    field = recipe.fields["base"]
    base: CallValue = field.value
    if "name" not in base.args:
        return
    weights = base["weights"]
    span = base.args["weights"].span or base.span or field.span
    if weights_here(recipe).state == "gone":
        yield WeightsNotCached(span=span, zoo=base.name, name=base["name"], folder=str(zoo_cache()))
    args = arguments(weights)
    if "revision" in args and not is_commit(args["revision"]) and not args["sha256"]:
        published = source_of(weights).published(base.name, base["name"], args)
        commit = "" if published is None else commit_of(published)
        yield MovingRevision(span=span, repository=args["repository"], commit=commit)
    yield from _other_images(recipe)
    yield from _other_normalization(recipe)


def _other_normalization(recipe: CheckedRecipe) -> Iterator[Problem]:
    base, prepare = component(recipe.fields["base"]), recipe.block("data")["prepare"] or ()
    mine = TIMM.get(base.args.get("name", "")) if base.name == "timm" else None
    if mine is None or any(step.value.name == NORMALIZE.entry.name for step in prepare):
        return
    origin, path = source_for(base).provenance(base)
    others = {
        name: row.normalization
        for name, row in TIMM.items()
        if (row.family, row.options) == (mine.family, mine.options) and row.normalization != mine.normalization
    }
    if origin == "a file" and others:
        mean, std = (f"[{', '.join(map(str, numbers))}]" for numbers in next(iter(others.values())))
        yield OtherNormalization(
            span=base.args["weights"].span or base.span,
            path=str(path),
            others=tuple(f"`{name}`" for name in others),
            mean=" ".join(map(str, mine.normalization[0])),
            std=" ".join(map(str, mine.normalization[1])),
            taken=base.args["name"],
            theirs=f"`normalize(mean = {mean}, std = {std})`",
        )


def _other_images(recipe: CheckedRecipe) -> Iterator[Problem]:
    base = component(recipe.fields["base"])
    with suppress(RecipeError):  # the plan refuses a config that cannot be
        seen = source_for(base).images(base)
        if seen is not None:
            size = Size.square(seen.side) if seen.side is not None else None
            other = list(_other_size(recipe, base, size))
            yield from other
            yield from _other_crop(recipe, base, seen, size if other and size else image_size(recipe)[0])


def _other_size(recipe: CheckedRecipe, base: Component, theirs: Size | None) -> Iterator[Problem]:
    ours, span = image_size(recipe)
    if theirs is None or theirs == ours or not BASES[base.name][base.args["name"]].accepts(theirs.height):
        return
    if max(ours) < theirs.height / 3 or recipe.block("data")["size"] is None and span == base.span:
        words = (f"images of {theirs.short}", f"they have {ours.short}", f"size = {theirs.written}")
        yield _other(base, span, *words)


def _other_crop(recipe: CheckedRecipe, base: Component, seen: HubConfig, size: Size) -> Iterator[Problem]:
    data, share = recipe.block("data"), crop_share(base)
    is_usual = [step.name for step in prepare_steps(data, size)[0]][-2:] == ["resize", "center_crop"]
    if seen.crop is None or data["prepare"] is not None or not is_usual:
        return
    theirs, ours = (Size(*(floor(side / each) for side in size)) for each in (seen.crop, share))
    if theirs != ours:
        resized = bicubic = argument = ""
        if seen.interpolation == "bilinear":
            resized, bicubic, argument = ", resized bilinear", ", resized bicubic", ", interpolation = bilinear"
        saw, see = f"{100 * seen.crop:.3g}% of the shorter side{resized}", f"they see {100 * share:.3g}%{bicubic}"
        yield _other(
            base, data.span_of("size"), saw, see, f"prepare = [resize({theirs.written}{argument}), center_crop]"
        )


def _other(base: Component, span: Span | None, theirs: str, ours: str, fix: str) -> Problem:
    return OtherImages(span=span, name=base.args["name"], theirs=theirs, ours=ours, fix=fix)
