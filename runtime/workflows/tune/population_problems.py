"""What may be wrong with population-based training, and with a search for a policy."""

from __future__ import annotations

from recipe_lang.problem import Kind

NothingChanges = Kind(
    "E485",
    "nothing changes while it trains",
    reason="""Population-based training changes parameters between epochs of a run: those of steps of `augment`, of a
    loss, or a learning rate whose schedule is constant or falls. Sizes, layers and what else makes a network another
    one cannot change then, nor can arguments of an optimizer other than `lr`.""",
    fields="",
    optional={"reasons": ""},
    message="no parameter with a domain can change while the network trains{reasons:if : {reasons}}",
    help="declare one, such as `param strength = 9 in 0 .. 30`, for `augment = [rand_augment(magnitude = $strength)]`",
)

OtherPopulation = Kind(
    "E633",
    "another population",
    reason="""A population goes on only as it began: with the same recipe and images, and with the same number of
    members, interval and metric. Else it would not end as one that was never interrupted.""",
    fields="path what",
    message="the population in {path} began with another {what}",
    help="go on with what it began with, or begin anew in another folder",
)

AllFailed = Kind(
    "E634",
    "all members failed",
    reason="The loss of each member of a population is infinite or NaN, so that there is none to take over.",
    fields="interval",
    message="in interval {interval} the loss of every member became infinite or NaN",
    help="narrow the domain of the learning rate",
)

NoSharedAugmentation = Kind(
    "E486",
    "no augmentation to search",
    reason="""A policy is searched for the `augment` of the data block, which the stages share that have none of their
    own.""",
    fields="",
    message="each stage has an augmentation of its own",
    help="move `augment` to the data block, or write `augment = shared` in a stage",
)

OtherPolicy = Kind(
    "E635",
    "another search for a policy",
    reason="A search goes on only as it began: with the same recipe, folds and number of draws.",
    fields="path",
    message="the search in {path} began with another recipe, or with other numbers of folds or draws",
    help="go on with what it began with, or begin anew in another folder",
)
