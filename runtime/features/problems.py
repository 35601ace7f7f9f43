"""What goes wrong while other machines compute frozen features (E659 to E661)."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem

RayMissing = Kind(
    "E659",
    "Ray not installed",
    reason="`ftr features --engine ray` spreads work over the machines of a Ray cluster; Ray is the extra `ray`.",
    fields="command",
    message="`--engine ray` needs the package ray, which is not installed",
    help="install it: `{command}`",
)

RayFailed = Kind(
    "E660",
    "Ray failed",
    reason="""The Ray cluster does not answer, has no machine that could do the work, or the work failed on one.

    Rows that have come back until then are kept. A machine that dies is no failure: others do its part.""",
    fields="address reason",
    optional={"hint": ""},
    message="the Ray cluster at {address}: {reason}",
    help="{hint}",
)


def _shown(p: Problem) -> str:
    each = [f"\n    {name}: {there}, here {here}" for name, here, there in p.differences]
    return f"what {p.node} computes may differ in its bits from what this machine computes:{''.join(each)}"


MachinesDiffer = Kind(
    "E661",
    "machines differ",
    reason="""Rows of features computed elsewhere are kept only where they have the bits that this machine would give.

    These depend on the processor's instructions, the number of threads, and the versions of MXNet, Pillow and ftr.
    Nothing of a machine that differs is kept.""",
    fields="node differences",
    message=_shown,
    help=(
        "install the same versions there, or leave the machine out of the cluster; "
        "`ftr features` without `--engine` computes all of it here"
    ),
)
