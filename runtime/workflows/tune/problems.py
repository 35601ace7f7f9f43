"""What goes wrong with a study (E6)."""

from __future__ import annotations

from recipe_lang.problem import Kind

NothingToSearch = Kind(
    "E625",
    "nothing to search",
    reason="""A study searches the domains of a recipe's parameters. A parameter that `--set` gives is not searched, and
    neither is one whose domain has one value, nor one that chooses the images that validate, such as the seed: trials
    that are measured on other images cannot be compared.""",
    fields="name",
    optional={"kept": ()},
    message=(
        "{name} has no parameter to search: {kept:quoted} chooses the images that validate",
        "{name} has no parameter with a domain to search",
    ),
    help="declare one, such as `param lr = 1e-3 in log(1e-5 .. 1e-1)`, and use it: `optimizer = adam(lr = $lr)`",
)

UnknownObjective = Kind(
    "E626",
    "unknown objective",
    reason="""A study looks for the best value of a metric on the validation images, or of what an answer costs. It
    never looks at the test images: what was chosen by them is not measured by them any more.""",
    fields="name options",
    optional={"suggestion": "", "is_test": False},
    message=lambda p: (
        f"a study does not choose by the test images: `{p.name}`"
        if p.is_test
        else f"there is no metric `{p.name}` to search by"
    ),
    help=("{suggestion:suggested}", "there are {options:quoted}"),
)

LossesCompared = Kind(
    "E621",
    "losses compared",
    reason="""`valid.loss` is the recipe's own loss on the validation images, without label smoothing and without a
    teacher. Where a parameter chooses another loss, or decides a `gamma` or weights in it, the lower value is not the
    better one: a study would find the loss that gives small numbers, not the network that errs least.""",
    fields="name metric",
    message="`{name}` decides what `valid.loss` measures: trials cannot be compared by it",
    help="search by a metric that stays what it is: `--metric {metric}`",
)

PixelsWithoutStep = Kind(
    "E627",
    "pixels without a step",
    reason="""Each size of images has frozen features of its own, which are computed anew: a search tries a few sizes,
    not each between two.""",
    fields="name example",
    message="the domain of `{name}` has no step",
    help="write `{example}`, or a list of sizes",
)

OtherStudy = Kind(
    "E628",
    "another study",
    reason="""A study is resumed, or joined by another process, with what it began with: the recipe, its images, what is
    searched and by which metric, the sampler and its settings, the seed.""",
    fields="where differences",
    optional={"best": ""},  # that of the study, which would be out of reach otherwise
    message=lambda p: f"the study in {p.where} is another one: " + "; ".join(p.differences),
    help="take back what was changed, or begin another study{best:if ; the best values of this one are {best}}",
)

NoStudy = Kind(
    "E629",
    "no study",
    reason="`--resume` names the folder of a study, which has its journal.",
    fields="path reason",
    message="{path} is not a study: {reason}",
    help="`ftr tune RECIPE --trials 30` begins one",
)

StorageFailed = Kind(
    "E630",
    "storage failed",
    reason="""The trials of a study are kept in a journal file or in a PostgreSQL server, which cannot be read or
    written.""",
    fields="where reason",
    optional={"hint": ""},
    message="cannot use {where}: {reason}",
    help="{hint}",
)

SamplerDoesNotFit = Kind(
    "E631",
    "sampler does not fit",
    reason="Not each sampler takes several metrics, and pruning compares one.",
    fields="what reason",
    optional={"instead": ""},
    message="{what} {reason}",
    help="{instead}",
)

NothingFound = Kind(
    "E632",
    "nothing found",
    reason="Of a study in which no trial came to its end, there is no best one.",
    fields="where",
    message="no trial of the study in {where} came to its end",
    help="let it go on: `--resume`",
)
