"""Advice on learning rates: too high or too low for pretrained parts, or for the head (W710 to W713)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from recipe_lang.check.checked import CallValue, CheckedBlock, CheckedRecipe
from recipe_lang.problem import Kind, Problem
from runtime.plan.stage_rules import RATE_RULES
from runtime.training.optimizers import OPTIMIZERS
from runtime.vocabulary.advice.facts import argument_span, is_pretrained, whole_base
from runtime.vocabulary.sequences import first_warmup

_HARDLY = 1e-3
_KERAS = "the Keras guide to transfer learning and fine-tuning"


def _below(share: float) -> str:
    """Return the highest of 0.5, 0.1, 0.05, … that is below a share of 1 or less."""
    return next(f"{scale:g}" for power in range(1, 20) for scale in (5 * 10**-power, 10**-power) if scale < share)


LearningRateTooHigh = Kind(
    "W710",
    "learning rate too high",
    reason="""Pretrained weights are near a good place already: a learning rate that is right from scratch destroys
    them.

    Frozen norm layers tolerate less, since they cannot adapt. What is new can still learn fast: `lr_scale` lowers
    the learning rate of the pretrained parts alone.""",
    source=f"{_KERAS}; measured: solar cells, the whole base with adam: accuracy .87 at 3e-5, .83 at 2e-4;"
    " digits, blocks 5 to 7 with frozen norms: .94 at 3e-4, .66 at 1e-3, .10 at 3e-3, and .10 with sgd at 0.01",
    fields="part rate optimizer limit selector norms_frozen",  # selector: of all pretrained parts that train
    message="the pretrained `{part}` trains with a learning rate of {rate:.3g}",
    label="{limit:g} is high for {optimizer}{norms_frozen:if  with frozen norms}",
    help=lambda p: (
        f"lower `lr`, or that of the pretrained parts: `lr_scale = {{ {p.selector} = {_below(p.limit / p.rate)} }}`"
    ),
)


def _high_rates(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage") if is_pretrained(recipe) else ():
        call: CallValue = stage["optimizer"]
        scales = {part: scale for part, scale in _scales(recipe, stage).items() if part != "head"}
        part = max(scales, key=scales.__getitem__, default=None)
        limits = OPTIMIZERS[call.name].highest_lr
        if part is None or limits is None:
            continue
        is_frozen = stage["norm"] == "frozen"
        limit = limits[is_frozen]
        # Frozen norms cannot follow: with no warm-up the limit itself does harm, which with one it does not.
        is_abrupt = is_frozen and first_warmup(stage).number == 0
        if call["lr"] * scales[part] < limit * (1 + (-1 if is_abrupt else 1) * 1e-9):
            continue
        span = argument_span(stage.fields["optimizer"], "lr", stage.head_span)
        rate = call["lr"] * scales[part]
        selector = _selector(list(scales), whole_base(recipe))
        yield LearningRateTooHigh(
            span=span,
            part=part,
            rate=rate,
            optimizer=call.name,
            limit=limit,
            selector=selector,
            norms_frozen=is_frozen,
        )


HeadSlower = Kind(
    "W711",
    "head slower",
    reason="""The head starts from scratch and has the furthest to go, the pretrained parts the least.

    Learning rates that fall from the head to the input are the rule for fine-tuning.""",
    source="Howard and Ruder 2018 (ULMFiT), arXiv 1801.06146, section 3.2",
    fields="head part scale",
    message="the new head has a lower learning rate (times {head:g}) than `{part}` (times {scale:g})",
    help="leave the head at 1, and scale the parts of the base down",
)


def _slow_heads(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage") if is_pretrained(recipe) else ():
        scales = _scales(recipe, stage)
        part = max(scales, key=scales.__getitem__, default="head")
        if "head" in scales and scales["head"] < scales[part]:
            yield HeadSlower(span=stage.span_of("lr_scale"), head=scales["head"], part=part, scale=scales[part])


FreshHeadWithBase = Kind(
    "W712",
    "fresh head with base",
    reason="""A new head is random, and its first gradients distort pretrained features before it has learned anything.

    Train the head alone first; or begin slowly, with a warm-up or with a lower learning rate for the base.""",
    source="Kumar et al. 2022, arXiv 2202.10054",
    fields="parts selector",
    message="the new head trains together with {parts} pretrained parts from the first step on",
    help=(
        "put a stage with `train = head` before it,\n"
        "or start slowly: `schedule = cosine(warmup = …)`, or `lr_scale = {{ {selector} = 0.1 }}`"
    ),
)


def _fresh_heads(recipe: CheckedRecipe) -> Iterator[Problem]:
    stage = next((stage for stage in recipe.all("stage") if "head" in stage["train"].parts), None)
    if stage is None or not is_pretrained(recipe):
        return
    scales = _scales(recipe, stage)
    base = {part: scale for part, scale in scales.items() if part != "head"}
    starts_slowly = first_warmup(stage).number > 0 or max(base.values(), default=0) < scales["head"]
    if 2 * len(base) > len(whole_base(recipe)) and not starts_slowly:
        selector = _selector(list(base), whole_base(recipe))
        yield FreshHeadWithBase(span=stage.span_of("train"), parts=len(base), selector=selector)


def _hardly_trains_message(p: Problem) -> str:
    parts = f"`{p.parts[0]}` hardly trains" if len(p.parts) == 1 else f"`{p.parts[0]}` to `{p.parts[-1]}` hardly train"
    return f"{parts}: the learning rate is scaled by {p.scale:.1g}"


HardlyTrains = Kind(
    "W713",
    "hardly trains",
    reason="""A part whose learning rate is a thousandth of the head's stays about as it is, and still costs its
    backward pass.

    A frozen prefix costs none: with a head alone, a step takes about a third of the time of a full one.""",
    source="measured: resnet18_v2, 128px, two cores: 104 images/s in full, 312 for the head",
    fields="parts scale",
    message=_hardly_trains_message,
    help="leave them out of `train`, or raise their learning rate",
)


def _hardly_trained(recipe: CheckedRecipe) -> Iterator[Problem]:
    for stage in recipe.all("stage"):
        slow = {part: scale for part, scale in _scales(recipe, stage).items() if scale < _HARDLY}
        if slow:
            yield HardlyTrains(span=stage.span_of("lr_scale"), parts=tuple(slow), scale=max(slow.values()))


def _scales(recipe: CheckedRecipe, stage: CheckedBlock) -> dict[str, float]:
    """Return what the rate of each trained part is multiplied by."""
    order = [*whole_base(recipe), "head"]
    rule = stage["lr_scale"]
    if isinstance(rule, CallValue):
        args = {name: value.value for name, value in rule.args.items()}
        scale = RATE_RULES[rule.name].scale
        return {part: scale(args, len(order) - 1 - order.index(part)) for part in stage["train"].parts}
    written = {part: value.value for key, value in rule or () for part in key.value.parts}
    return {part: written.get(part, 1.0) for part in stage["train"].parts}


def _selector(parts: list[str], whole: tuple[str, ...]) -> str:
    """Return how a recipe writes these parts of the base, or the first few of them where they are no range."""
    if len(parts) == len(whole):
        return "base"
    last = next(index for index in reversed(range(len(parts))) if _follow(parts[: index + 1], whole))
    return parts[0] if last == 0 else f"{parts[0]} .. {parts[last]}"


def _follow(parts: list[str], whole: tuple[str, ...]) -> bool:
    start = whole.index(parts[0])
    return tuple(parts) == whole[start : start + len(parts)]


RULES: tuple[Callable[[CheckedRecipe], Iterator[Problem]], ...] = (
    _high_rates,
    _slow_heads,
    _fresh_heads,
    _hardly_trained,
)
