"""What goes wrong with population-based training, and with a search for a policy (E6)."""

from __future__ import annotations

from recipe_lang.problem import Kind

OtherSearch = Kind(
    "E633",
    "another search",
    reason="""A population, or a search for a policy, goes on only as it began: with the same recipe and images, the
    same metric and the same numbers of members, epochs, folds or draws. Else it would not end as one that was never
    interrupted.""",
    fields="path what",
    message="the search in {path} began with another {what}",
    help="go on with what it began with, or begin anew in another folder",
)

NothingChanges = Kind(
    "E634",
    "nothing changes while it trains",
    reason="""Population-based training changes parameters between epochs of a run: those of steps of `augment`, of a
    loss, or a learning rate whose schedule is constant or falls. Sizes, layers and what else makes a network another
    one cannot change then, nor can arguments of an optimizer other than `lr`.""",
    fields="",
    optional={"reasons": ""},
    message="no parameter with a domain can change while the network trains{reasons:if : {reasons}}",
    help="declare one, such as `param strength = 9 in 0 .. 30`, for `augment = [rand_augment(magnitude = $strength)]`",
)

NoSharedAugmentation = Kind(
    "E635",
    "no augmentation to search",
    reason="""A policy is searched for the `augment` of the data block, which the stages share that have none of their
    own.""",
    fields="",
    message="each stage has an augmentation of its own",
    help="move `augment` to the data block, or write `augment = shared` in a stage",
)
