"""Advice on weights that may not be had (W750), or not be had again (W775), for `ftr check` and editors.

In goes a checked recipe; out comes its own advice with ours, less what comments suppress: one look at folders, no
network. `ftr plan` asks the host, too, and refuses.
"""

from __future__ import annotations

from collections.abc import Iterator

from recipe_lang.check.checked import CallValue, CheckedRecipe
from recipe_lang.check.suppress import apply_suppressions
from recipe_lang.compose.merge import files
from recipe_lang.problem import Kind, Problem, ordered
from runtime.models.availability import Availability, arguments, availability
from runtime.models.weights_sources import source_of
from runtime.weights.published import commit_of, is_commit
from runtime.weights.zoo_cache import zoo_cache

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


def weights_here(recipe: CheckedRecipe) -> Availability:
    """Return where the weights of a recipe's base are."""
    base: CallValue = recipe["base"]
    if "weights" not in base.args:
        return Availability("here")  # it is a file itself, or a run
    return availability(base.name, base["name"], base["weights"])


def with_weights_advice(recipe: CheckedRecipe) -> tuple[Problem, ...]:
    """Return a recipe's advice, with that on its base's weights."""
    found = list(_advice(recipe))
    if not found:
        return recipe.advice
    sources = [file.source for file in files(recipe.written)]
    return tuple(ordered((*recipe.advice, *apply_suppressions(found, sources, lambda code: False))))


def _advice(recipe: CheckedRecipe) -> Iterator[Problem]:
    field = recipe.fields["base"]
    base: CallValue = field.value
    if "weights" not in base.args:
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
