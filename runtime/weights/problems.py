"""What can be wrong with a weights file, as problems E520 to E528 and E564."""

from __future__ import annotations

from recipe_lang.problem import Kind, Problem

CannotReadWeights = Kind(
    "E520",
    "cannot read weights",
    reason="""The weights file is missing, is not an ordinary file, or the system refuses to read it.

    A relative path is looked up from the folder that the command runs in, unless the recipe says otherwise.""",
    fields="path reason",
    message="cannot read the weights file `{path}`: {reason}",
)

NotWeights = Kind(
    "E521",
    "not weights",
    reason="""The file is not of the kind that its place in the recipe asks for.

    It is judged by its first bytes, not by its name: a download that failed often leaves a web page under the name
    of the weights.""",
    fields="path expected found",
    message="`{path}` is not {expected}: it looks like {found}",
    help="get the file again, or name the file that holds the weights",
)

DamagedWeights = Kind(
    "E522",
    "damaged weights",
    reason="""The weights file contradicts itself: it is cut short, altered, or has bytes left over.

    Nothing of it is used. Copy or download it again; a checksum in the recipe shows such damage at once.""",
    fields="path reason offset",
    message="the weights file `{path}` is damaged: {reason} (at byte {offset})",
    help="copy or download the file again",
)

UnsupportedWeights = Kind(
    "E523",
    "unsupported weights",
    reason="""The weights file is intact, but holds something that cannot be put into a network here.

    Dense, named arrays of plain numbers are read; sparse or unnamed arrays, quantized or bfloat16 numbers, and
    PyTorch's zip format are not.""",
    fields="path found",
    optional={"hint": ""},
    message="`{path}` holds {found}, which cannot be read",
    help="{hint}",
)

CodeInWeights = Kind(
    "E524",
    "code in weights",
    reason="""The PyTorch file asks for a function or class that a plain table of weights does not need.

    Such a file can run any program when it is opened the usual way. Here nothing of it was run and nothing of it is
    used.""",
    fields="path name",
    message=lambda p: f"`{p.path}` contains code, not just weights: `{_plain(p.name)}`",
    help="use a file that holds a state dict only, saved by `torch.save(model.state_dict(), ...)`",
)

BadChecksum = Kind(
    "E525",
    "bad checksum",
    reason="A checksum is the beginning of a SHA-256 sum: 8 to 64 hexadecimal digits.",
    fields="text",
    message="`{text}` is not a checksum",
    help="write 8 to 64 hexadecimal digits of the file's SHA-256, from its beginning",
)

WrongChecksum = Kind(
    "E526",
    "wrong checksum",
    reason="The file's SHA-256 sum does not begin with the expected digits: another file, or a damaged one.",
    fields="path expected found",
    message="`{path}` is not the expected file: SHA-256 {found}, expected {expected}",
    help="get the file again, or write the new checksum if the change is wanted",
)


def _weights_do_not_fit_message(p: Problem) -> str:
    kinds = (("missing", p.missing), ("unknown", p.extra), ("of another shape or kind", p.misshaped))
    parts = [f"{len(names)} {what} ({_a_few(names)})" for what, names in kinds if names]
    return f"the weights from {p.origin} do not fit the network: {', '.join(parts)}"


WeightsDoNotFit = Kind(
    "E527",
    "weights do not fit",
    reason="""The weights do not belong to this network: names are missing, left over, or of another shape.

    Every parameter of the network must come from the file, except a classifier that the recipe replaces. Nothing
    was loaded.""",
    fields="origin",
    optional={"missing": (), "extra": (), "misshaped": ()},
    message=_weights_do_not_fit_message,
    help="name the base that these weights were trained for",
)

PackageNotInstalled = Kind(
    "E528",
    "package not installed",
    reason="""The base's pretrained weights come in a Python package of their own, which is not installed.

    Once it is installed, no network is needed any more.""",
    fields="base package command",
    message="the weights of `{base}` are in the package `{package}`, which is not installed",
    help="run: {command}",
)

NoHostedWeights = Kind(
    "E540",
    "no hosted weights",
    reason="""The zoo's hosted weights for this base are not available.

    For some networks a zoo never hosted any. For the others, the files of MXNet and GluonCV are reported gone since
    February 2024 (https://github.com/dmlc/gluon-cv/issues/1778): only a copy in the zoo's cache still loads.""",
    fields="zoo name reason",
    message='cannot get the `imagenet` weights of {zoo}("{name}"): {reason}',
    help=(
        'if you have the file, write `weights = gluon_params("file.params")`\n'
        'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
    ),
)


_SHOWN = 3
_WIDEST = 100


def _a_few(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{_plain(name)}`" for name in names[:_SHOWN])
    return shown + (", ..." if len(names) > _SHOWN else "")


def _plain(name: str) -> str:
    # A name comes from a file of unknown origin: it must not steer the terminal, nor fill it.
    shown = "".join(char if char.isprintable() else "?" for char in name[:_WIDEST])
    return shown + ("..." if len(name) > _WIDEST else "")


NotDownloaded = Kind(
    "E554",
    "not downloaded",
    reason="""A file of weights that is public cannot be fetched from its host, or what came is not that file.

    What is kept already needs no host: `ftr weights fetch` gets the files of a recipe beforehand, and `FTR_MIRROR` names
    a host that has the same files.""",
    fields="url reason path",
    message="{url} cannot be downloaded: {reason}",
    help="get it with another machine and put it at {path}",
)

NotABase = Kind(
    "E564",
    "not a base",
    reason="""`run(…)` names the folder of a run, and `pack(…)` its pack. The base is the network of that run, with the
    weights that it has learned: they, its resolved recipe and its plan are read.""",
    fields="path reason",
    message="{path} cannot be the base: {reason}",
    help="name the folder of a finished run, or a pack with weights; `ftr runs` lists runs",
)
