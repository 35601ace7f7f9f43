"""What goes wrong while a run runs (E6)."""

from __future__ import annotations

import shlex

from recipe_lang.problem import Kind, Problem
from recipe_lang.words import gigabytes

LossNotFinite = Kind(
    "E601",
    "loss not finite",
    reason="The loss became NaN or infinite: the weights are of no use from there on, so the run stops.",
    fields="title step rate loss",
    optional={"what": "loss", "rollbacks": 0},
    message=(
        'the {what} is {loss} at step {step} of stage "{title}", at learning rate {rate:.3g}'
        "{rollbacks:if , after going back {rollbacks} times}"
    ),
    help=lambda p: (
        "lower the learning rate, add `clip = global_norm(1.0)`, or a warm-up to the schedule"
        + ("" if p.rollbacks else "; `on_divergence = back_off` lowers the rate by itself")
    ),
)

NotWritable = Kind(
    "E603",
    "not writable",
    reason="The run folder, or a file in it, cannot be written.",
    fields="path reason",
    message="cannot write {path}: {reason}",
    help="free up space or allow writing there, or choose another place",
)


def _folder_taken_help(p: Problem) -> str:
    again = f"; `ftr run --resume {shlex.quote(p.path)}` resumes the run in it" if p.is_run else ""
    return f"choose another folder with `--out`{again}"


FolderTaken = Kind(
    "E604",
    "folder taken",
    reason="A run never writes over another run, and `ftr unpack` over no file.",
    fields="path",
    optional={"is_run": False},
    message="{path} exists and is not empty",
    help=_folder_taken_help,
)

NotARun = Kind(
    "E605",
    "not a run",
    reason="A folder that is not a finished run, or one whose files are damaged.",
    fields="path reason",
    optional={"nearest": ""},
    message="{path} is not a finished run: {reason}",
    help="{nearest:if did you mean `{nearest}`?}",
)

NoSuchSet = Kind(
    "E608",
    "no such set",
    reason="A run is evaluated on a set that its recipe has; `--data` names other images.",
    fields="path set_name",
    message="the recipe of {path} has no {set_name} set",
    help="say `--on valid`, or `--data FOLDER` for other images",
)

NoSuchStage = Kind(
    "E690",
    "no such stage",
    reason="`--stage` names a stage of the run's recipe by its title, or by its number from 1.",
    fields="path stage known",
    message='the recipe of {path} has no stage "{stage}"',
    help="it has {known}",
)

NoStageWeights = Kind(
    "E691",
    "no stage weights",
    reason="""The folder of a run has the weights that each stage handed on, once that stage has ended; a pack has
    the last.""",
    fields="path number reason",
    message="{path} has no weights of stage {number}: {reason}",
    help="without `--stage` the weights that the run left are used",
)

ImagesSeen = Kind(
    "E695",
    "images seen",
    reason="""A run predicts images that it was trained on, or that chose its weights, better than new ones.

    Images are compared by the content of their files, so that copies count under any name; one that was saved
    again, or cropped, is another one. Without `--strict` they are counted, and evaluated all the same.""",
    fields="path seen",
    message="the images are not new to {path}: {seen}",
    help="evaluate on images that are new to it, or leave `--strict` out",
)

ImagesNotKnown = Kind(
    "E696",
    "images not known",
    reason="""`images.json` of a run folder says which images a run has seen; no pack holds it, and old runs did not
    write it.

    Without `--strict` they are evaluated, and a line says that this is unknown.""",
    fields="path",
    optional={"is_pack": False},
    message=lambda p: (
        f"whether {p.path} was trained on these images is not known: "
        + ("packs do not hold the images' hashes" if p.is_pack else "its folder has no valid `images.json`")
    ),
    help="name the folder of the run, or leave `--strict` out",
)

NoImages = Kind(
    "E606",
    "no images",
    reason="A path to predict on is an image file, or a folder that holds some.",
    fields="path",
    optional={"passed": ""},
    message="no image at {path}",
    help="{passed}",
)


def _out_of_memory_help(p: Problem) -> str:
    first = f"`batch = {p.fits}` should fit; or make" if p.fits else "make `batch` or"
    return f"{first} `size` smaller, train fewer parts, or cache less: `--no-cache`{_and_go_on(p.run)}"


OutOfMemory = Kind(
    "E607",
    "out of memory",
    reason="""There is not enough memory for the network, the image size and the batch.

    Memory grows with the batch: half the batch takes about half of what the run has beyond its weights. A run that
    the kernel kills leaves what was written until then.""",
    optional={"killed": False, "peak": 0, "batch": 0, "fits": 0, "run": ""},
    message="out of memory{killed:if : the kernel has killed the run, which had {peak:GB}}",
    help=_out_of_memory_help,
)


def _run_killed_message(p: Problem) -> str:
    how = "was killed from outside" if p.signal == "SIGKILL" else "crashed in a native library"
    return f"the run {how} ({p.signal}); its peak memory was {gigabytes(p.peak)}"


def _run_killed_help(p: Problem) -> str:
    where = "a scheduler's memory limit" if p.signal == "SIGKILL" else "too little memory"
    text = f"if {where} was the reason, `batch = {p.fits}` takes less" if p.fits else ""
    return (text + _and_go_on(p.run)).removeprefix("; ")


RunKilled = Kind(
    "E650",
    "run killed",
    reason="""The run was ended before it could report why.

    SIGKILL comes from a person, or from a scheduler when a limit on time or memory is reached. Other signals are
    crashes of a native library; one that gets no memory may crash too.""",
    fields="signal peak",
    optional={"batch": 0, "fits": 0, "run": ""},
    message=_run_killed_message,
    help=_run_killed_help,
)


def _and_go_on(run: str) -> str:
    return f"; as it is, and with more memory, `ftr run --resume {shlex.quote(run)}` resumes it" if run else ""


NoIntactCheckpoint = Kind(
    "E640",
    "no intact checkpoint",
    reason="""All checkpoints of a run are damaged: their checksums do not match, or files are missing. It cannot
    resume.""",
    fields="path reasons",
    message=lambda p: f"no checkpoint of {p.path} is intact: {'; '.join(p.reasons)}",
    help="run the recipe again, into a new folder",
)

CheckpointDoesNotFit = Kind(
    "E641",
    "checkpoint does not fit",
    reason="A checkpoint holds other arrays than this network and optimizer have: it comes from elsewhere.",
    fields="number reason",
    message="checkpoint {number} is from another network or optimizer ({reason})",
)


def _recipe_changed_message(p: Problem) -> str:
    if p.copy:
        return f"{p.copy} was edited: it is not the recipe that {p.path} began with, and resuming does not read it"
    shown = [f"\n    {name}: {old} -> {new}" for name, old, new in p.differences[:20]]
    more = len(p.differences) - len(shown)
    shown += [f"\n    and {more} more"] if more else []
    return f"the recipe is not the one that {p.path} began with:{''.join(shown)}"


def _recipe_changed_help(p: Problem) -> str:
    run, recipe = shlex.quote(p.path), shlex.quote(p.resolved)
    if p.copy:
        return (
            f"edit {p.resolved} instead: `ftr run {recipe}` is a new run, and `ftr run --resume {run} --extend` "
            f"resumes with longer stages; without the edits, `ftr run {recipe} --resume {run}` resumes as it began"
        )
    if p.longer:
        return "`--extend` resumes with the longer stages; the result is not that of a run of that length"
    return f"to continue as it began, name the recipe of the run: `ftr run {recipe} --resume {run}`"


RecipeChanged = Kind(
    "E642",
    "recipe changed",
    reason="""A run resumes only as it began: another recipe, other classes or counts of images would give another
    result.

    It resumes with the file that it began with, or with one that the command names. The copy in the run folder is not
    read, so edits in it are refused.""",
    fields="path differences resolved",
    optional={"longer": False, "copy": ""},
    message=_recipe_changed_message,
    help=_recipe_changed_help,
)

FolderBusy = Kind(
    "E643",
    "folder busy",
    reason="A run folder belongs to one run at a time; when that ends, however it ends, the folder is free.",
    fields="path",
    message="another run is writing into {path}",
    help="wait for it, or end it",
)

NotResumable = Kind(
    "E644",
    "not resumable",
    reason="A folder that no run has written, or one whose `run.json` is damaged.",
    fields="path reason",
    message="{path} cannot be resumed: {reason}",
)

NothingToExtend = Kind(
    "E645",
    "nothing to extend",
    reason="`--extend` makes stages longer that are not over yet, or the last one, or adds stages after it.",
    fields="path reason",
    message="{path} cannot be extended: {reason}",
)
