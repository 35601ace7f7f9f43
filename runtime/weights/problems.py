"""What can be wrong with a weights file, as problems E520 to E528, E540 to E543 and E564."""

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

_AGAIN = "get the file again: something else came in its place"
_SAVE = "save a file that holds a state dict only: `torch.save(model.state_dict(), …)`"
_OTHER_FILES = {
    "a zip archive": 'if PyTorch wrote it: `weights = torch("…")`',
    "a pickle": 'if PyTorch wrote it: `weights = torch("…")`',
    "an MXNet .params file": 'write `weights = gluon_params("…")`',
    "a safetensors file": 'write `weights = safetensors("…")`',
    "an empty file": _AGAIN,
    "a web page": _AGAIN,
    "a Git LFS pointer instead of the file itself": "`git lfs pull` gets the file itself",
    "a gzip archive": "unpack it first",
}
_NO_TORCH_FILE = {"a zip archive": f"unpack it, or {_SAVE}", "a pickle": _SAVE}


def _not_weights_help(p: Problem) -> str:
    if p.path.endswith(".ftrpack"):
        return 'it is a pack of ftr: write `base = pack("…")`'
    others = _OTHER_FILES | _NO_TORCH_FILE if p.expected == "a PyTorch file" else _OTHER_FILES
    return others.get(p.found, "name a `.params` file of MXNet, a `.pth` of PyTorch or a `.safetensors` file")


NotWeights = Kind(
    "E521",
    "not weights",
    reason="""The file is not of the kind that its place in the recipe asks for.

    It is judged by its first bytes, not by its name: a download that failed often leaves a web page under the name
    of the weights.""",
    fields="path expected found",
    message="`{path}` is not {expected}: it looks like {found}",
    help=_not_weights_help,
)

DamagedWeights = Kind(
    "E522",
    "damaged weights",
    reason="""The weights file contradicts itself: it is cut short, altered, or has bytes left over; or a weight is not
    finite, from which nothing can be learned.

    Nothing of it is used. Copy or download it again; a checksum in the recipe shows such damage at once.""",
    fields="path reason",
    optional={"offset": None},
    message=lambda p: (
        f"the weights file `{p.path}` is damaged: {p.reason}" + ("" if p.offset is None else f" (at byte {p.offset})")
    ),
    help="copy or download the file again",
)

UnsupportedWeights = Kind(
    "E523",
    "unsupported weights",
    reason="""The weights file is intact, but holds something that cannot be put into a network here.

    Dense, named arrays of plain numbers are read; sparse or unnamed arrays, quantized numbers and programs
    (TorchScript) are not. In a PyTorch file the arrays may lie in a checkpoint, under a name such as `state_dict`.""",
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


def _bases_message(p: Problem) -> str:
    if p.bases:
        return f"it fits {', '.join(p.bases[:4])}" + (", …" if len(p.bases) > 4 else "")
    return (
        "it fits no base here; `ftr weights inspect` says which is nearest"
        if p.searched
        else "`ftr weights inspect FILE` names the bases that it fits"
    )


LayerDoesNotFit = Kind(
    "E541",
    "layer does not fit",
    reason="""The file's layers are not those of the base: one has another shape, or only one of the two has it.

    Layers meet by their names in torchvision or timm. Named is the first that differs, in the order of the network;
    nothing was loaded. The classifier and what only training needs take no part.""",
    fields="path base layer found wanted",
    optional={"bases": (), "searched": False},
    message=lambda p: (
        f"`{p.path}` does not fit {p.base}: `{_plain(p.layer)}` is {p.found} in the file, and {p.wanted} in the base"
    ),
    help=_bases_message,
)

NoSuchLayers = Kind(
    "E542",
    "no such layers",
    reason="""No file of torchvision or timm fits this base: the two frameworks do not have the same network.

    Some names are alike all the same: Gluon's resnet50_v1 strides elsewhere than torchvision's resnet50, which is
    resnet50_v1b. `docs/torch-pairs.md` says which base takes whose files.""",
    fields="path base",
    optional={"bases": (), "searched": False},
    message="files of PyTorch do not fit {base}: `{path}` belongs to another network",
    help=_bases_message,
)


NoSuchForm = Kind(
    "E543",
    "no such form",
    reason="""The network has layers in PyTorch that Gluon's does not have, so the weights make no file for the latter.

    torchvision's MobileNets end in a dense layer with a bias, Gluon's in a convolution without one.""",
    fields="path base form",
    message="`{path}` makes no {form} for {base}, whose layers in PyTorch are others",
    help="write a `.safetensors` file, or name the file itself in a recipe",
)

NotAHubName = Kind(
    "E554",
    "not a name on a hub",
    reason="A repository is `owner/name`, a revision a commit, a branch or a tag, and a file a path in the repository.",
    fields="name",
    message="`{name}` is no name of a repository, a revision or a file on a hub",
    help='write hub("owner/name", revision = "v1", file = "model.safetensors"), without an address',
)

CannotFetchWeights = Kind(
    "E555",
    "cannot fetch weights",
    reason="""The weights are published, but not on this machine, and their host does not give them.

    What was fetched once is kept, and needs no network any more. For a machine without one, `ftr weights fetch` gets
    the files on another machine: those of a hub into the folder of `HF_HOME`, the others into that of `TORCH_HOME`.""",
    fields="place reason",
    optional={"hint": ""},
    message="cannot get the weights of `{place}`: {reason}",
    help=lambda p: p.hint or "run `ftr weights fetch` with a network, or name a file that you have",
)

OtherArchitecture = Kind(
    "E559",
    "other architecture",
    reason="""The repository's `config.json` says what network its weights are of, and it is not the base.

    Weights of another network are refused even where some of the shapes are the same.""",
    fields="place architecture base",
    optional={"bases": ()},
    message="`{place}` holds weights of {architecture}, which do not fit {base}",
    help=lambda p: f"take {' or '.join(p.bases[:3])}" if p.bases else "take another repository, or another base",
)

BadConfig = Kind(
    "E557",
    "bad config of weights",
    reason="""The repository's `config.json` says something about its weights that cannot be.

    What it says is normalized with: a guess would give worse numbers and no error.""",
    fields="place reason",
    message="the `config.json` of `{place}` cannot be used: {reason}",
    help='name the file itself: `safetensors("model.safetensors")`',
)


NotKept = Kind(
    "E558",
    "weights not kept",
    reason="Weights are removed by the name that `ftr weights list` shows: a file's, or `owner/name` of a hub.",
    fields="name",
    message="no weights are kept here as `{name}`",
    help="see `ftr weights list`",
)

NotABase = Kind(
    "E564",
    "not a base",
    reason="""`run(…)` names the folder of a run, and `pack(…)` its pack. The base is the network of that run, with the
    weights that it has learned: they, its resolved recipe and its plan are read.""",
    fields="path reason",
    optional={"nearest": ""},
    message="{path} cannot be the base: {reason}",
    help="{nearest:if did you mean `{nearest:printable}`? }name the folder of a finished run, or a pack with weights; "
    "`ftr runs` lists runs",
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
