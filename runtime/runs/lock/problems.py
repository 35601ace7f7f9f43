"""What can be wrong with a lock file, or with what it is compared with (E560 to E563)."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem

NoLock = Kind(
    "E560",
    "no lock",
    reason="""A lock file stands beside its recipe and records what a run was made from and what came out of it.

    The first `ftr run` that ends well writes it, and `ftr lock` renews it.""",
    fields="path recipe",
    message="there is no lock {path}",
    help=("`ftr run {recipe}` writes it, with its result", "only the folder of a run holds one"),
)


_PUT_BACK = {
    "run.threads": "run with `--threads {}`",
    "run.device": "run with `--device {}`",
    "run.fuse": "say `--fuse` for on, `--no-fuse` for off",
    "versions.python": "use the Python that it names",
}


def _lock_mismatch_help(p: Problem) -> str:
    images = "put the images and their labels back (or the paths and `exclude` of the recipe)"
    other = images if p.name.startswith("data.") else "put it back"
    back = _PUT_BACK.get(p.name, other).format(p.locked)
    return f"{back}, or renew the lock with `ftr lock`" if p.renewable else back


LockMismatch = Kind(
    "E561",
    "lock mismatch",
    reason="""Something is not as the lock says: the recipe, the data, the weights, a version or a setting of the run.

    A locked run and `ftr verify` compare before they train.""",
    fields="name locked now path",
    optional={"renewable": True},
    message=(
        "`{name}` is {now} now; {path} says {locked}",
        "`{name}` is not there now; {path} says {locked}",
        "`{name}` is {now} now; {path} has none",
    ),
    label=("{now} now", "not there now"),
    help=_lock_mismatch_help,
)

BrokenLock = Kind(
    "E562",
    "broken lock",
    reason="""A lock file is lines `name = value` in sections. The programs write it, and nobody needs to edit it.

    A merge of two branches may leave both in it: renew it then.""",
    fields="path reason",
    message="the lock {path} cannot be used: {reason}",
    help="restore it from version control, or rewrite it with `ftr lock RECIPE`",
)

LockWithoutResult = Kind(
    "E563",
    "lock without result",
    reason="What `ftr lock` writes has no result yet, so that there is nothing to compare a new run with.",
    fields="path command",
    message="the lock {path} has no result to compare with",
    help="`ftr {command}` adds it",
)
