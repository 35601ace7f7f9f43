"""What can be wrong with a pack, and with the way to the hub (E570 to E575)."""

from __future__ import annotations

from recipe_lang.problem import Kind
from recipe_lang.words import printable

NotAPack = Kind(
    "E570",
    "not a pack",
    reason="""A file that is not a pack of `ftr pack`, or one that is damaged. Nothing of it has been used or written.

    A pack is a zip archive of a narrow kind, so that equal runs give equal bytes: packed again by another program,
    it is no longer a pack.""",
    fields="path reason",
    message="{path:printable} is not a pack: {reason}",
    help="make one with `ftr pack RUN`; copy or download a damaged one again",
)

PackRefused = Kind(
    "E571",
    "pack refused",
    reason="""A pack holds a few files of known names, each of bounded size, and nothing else.

    Paths, links, compressed or encrypted parts, names that occur twice and files of other kinds have no place in
    it. Nothing of such a pack has been used or written.""",
    fields="path member reason",
    message=lambda p: f"{printable(p.path)} contains `{printable(p.member[:80])}`, {p.reason}: it is refused",
    help="`ftr pack` does not make such a file; ask where it comes from",
)

FileExists = Kind(
    "E572",
    "file exists",
    reason="A file that `ftr pack`, `ftr pull` or `ftr export` would overwrite is there already.",
    fields="path",
    message="{path:printable} already exists",
    help="choose another file with `--out`, or overwrite it with `--force`",
)

PackGiven = Kind(
    "E575",
    "pack given",
    reason="A pack takes the place of a recipe or of a run, but has no images, no checkpoints, and a lock that stays.",
    fields="path reason hint",
    message="{path:printable} is a pack: {reason}",
    help="{hint}",
)

NotARepository = Kind(
    "E573",
    "not a repository",
    reason="""A repository of the hub is named `owner/name`, to pull also with a branch, tag or commit:
    `owner/name@main`.""",
    fields="name",
    message="`{name:printable}` does not name a repository",
    help="write `owner/name`, with letters, digits and `-`, `_`, `.`",
)

HubFailed = Kind(
    "E574",
    "hub failed",
    reason="""The hub could not be reached, or it refused: a repository that is not there, or no right to read or write
    it.

    The hub knows you by the token of `hf auth login`, or by the variable HF_TOKEN.""",
    fields="name endpoint reason",
    optional={"hint": ""},
    message="cannot use {name} at {endpoint}: {reason:printable}",
    help="{hint}",
)
