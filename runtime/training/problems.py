"""What goes wrong while a run runs (E6)."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem
from runtime.plan.types import stage_name


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNotFinite(Problem):
    """The loss became NaN or infinite: the weights are of no use from there on, so the run stops."""

    code: ClassVar[str] = "E601"
    title: str
    step: int
    rate: float
    loss: float
    what: str = "loss"
    rollbacks: int = 0

    def message(self) -> str:
        again = f", after going back {self.rollbacks} times" if self.rollbacks else ""
        where = f'at step {self.step} of stage "{self.title}", at learning rate {self.rate:.3g}'
        return f"the {self.what} is {self.loss} {where}{again}"

    def help(self) -> str:
        advice = "lower the learning rate, add `clip = global_norm(1.0)`, or a warm-up to the schedule"
        return advice if self.rollbacks else f"{advice}; `on_divergence = back_off` lowers the rate by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWritable(Problem):
    """The run folder, or a file in it, cannot be written."""

    code: ClassVar[str] = "E603"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot write {self.path}: {self.reason}"

    def help(self) -> str:
        return "free up space or allow writing there, or choose another place"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTaken(Problem):
    """A run never writes over another run, and `ftr unpack` over no file."""

    code: ClassVar[str] = "E604"
    path: str
    is_run: bool = False

    def message(self) -> str:
        return f"{self.path} exists and is not empty"

    def help(self) -> str:
        again = f"; `ftr run --resume {shlex.quote(self.path)}` resumes the run in it" if self.is_run else ""
        return f"choose another folder with `--out`{again}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotARun(Problem):
    """A folder that is not a finished run, or one whose files are damaged."""

    code: ClassVar[str] = "E605"
    path: str
    reason: str

    def message(self) -> str:
        return f"{self.path} is not a finished run: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchSet(Problem):
    """A run is evaluated on a set that its recipe has; `--data` names other images."""

    code: ClassVar[str] = "E608"
    path: str
    set_name: str

    def message(self) -> str:
        return f"the recipe of {self.path} has no {self.set_name} set"

    def help(self) -> str:
        return "say `--on valid`, or `--data FOLDER` for other images"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchStage(Problem):
    """`--stage` names a stage of the run's recipe by its title, or by its number from 1."""

    code: ClassVar[str] = "E690"
    path: str
    stage: str
    titles: tuple[str, ...]

    def message(self) -> str:
        return f'the recipe of {self.path} has no stage "{self.stage}"'

    def help(self) -> str:
        known = ", ".join(stage_name(position, title) for position, title in enumerate(self.titles))
        return f"it has {known}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoStageWeights(Problem):
    """The folder of a run has the weights that each stage handed on, once that stage has ended; a pack has the last."""

    code: ClassVar[str] = "E691"
    path: str
    number: int
    reason: str

    def message(self) -> str:
        return f"{self.path} has no weights of stage {self.number}: {self.reason}"

    def help(self) -> str:
        return "without `--stage` the weights that the run left are used"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesSeen(Problem):
    """A run predicts images that it was trained on, or that chose its weights, better than new ones.

    Images are compared by the content of their files, so that copies count under any name; one that was saved again,
    or cropped, is another one. Without `--strict` they are counted, and evaluated all the same.
    """

    code: ClassVar[str] = "E695"
    path: str
    seen: str

    def message(self) -> str:
        return f"the images are not new to {self.path}: {self.seen}"

    def help(self) -> str:
        return "evaluate on images that are new to it, or leave `--strict` out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesNotKnown(Problem):
    """`images.json` of a run folder says which images a run has seen; no pack holds it, and old runs did not write it.

    Without `--strict` they are evaluated, and a line says that this is unknown.
    """

    code: ClassVar[str] = "E696"
    path: str
    is_pack: bool = False

    def message(self) -> str:
        why = "packs do not hold the images' hashes" if self.is_pack else "its folder has no valid `images.json`"
        return f"whether {self.path} was trained on these images is not known: {why}"

    def help(self) -> str:
        return "name the folder of the run, or leave `--strict` out"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoImages(Problem):
    """A path to predict on is an image file, or a folder that holds some."""

    code: ClassVar[str] = "E606"
    path: str
    passed: str = ""

    def message(self) -> str:
        return f"no image at {self.path}"

    def help(self) -> str:
        return self.passed


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory(Problem):
    """There is not enough memory for the network, the image size and the batch.

    Memory grows with the batch: half the batch takes about half of what the run has beyond its weights. A run that the
    kernel kills leaves what was written until then.
    """

    code: ClassVar[str] = "E607"
    killed: bool = False
    peak: int = 0
    batch: int = 0
    fits: int = 0
    run: str = ""

    def message(self) -> str:
        if self.killed:
            return f"out of memory: the kernel has killed the run, which had {gigabytes(self.peak)}"
        return "out of memory"

    def help(self) -> str:
        first = f"`batch = {self.fits}` should fit; or make" if self.fits else "make `batch` or"
        return f"{first} `size` smaller, train fewer parts, or cache less: `--no-cache`{_and_go_on(self.run)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKilled(Problem):
    """The run was ended before it could report why.

    SIGKILL comes from a person, or from a scheduler when a limit on time or memory is reached. Other signals are
    crashes of a native library; one that gets no memory may crash too.
    """

    code: ClassVar[str] = "E650"
    signal: str
    peak: int
    batch: int = 0
    fits: int = 0
    run: str = ""

    def message(self) -> str:
        how = "was killed from outside" if self.signal == "SIGKILL" else "crashed in a native library"
        return f"the run {how} ({self.signal}); its peak memory was {gigabytes(self.peak)}"

    def help(self) -> str:
        where = "a scheduler's memory limit" if self.signal == "SIGKILL" else "too little memory"
        text = f"if {where} was the reason, `batch = {self.fits}` takes less" if self.fits else ""
        return (text + _and_go_on(self.run)).removeprefix("; ")


def gigabytes(size: int) -> str:
    """Return bytes as text, in GB (10**9 bytes)."""
    return f"{size / 1e9:.1f} GB"


def _and_go_on(run: str) -> str:
    return f"; as it is, and with more memory, `ftr run --resume {shlex.quote(run)}` resumes it" if run else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoWholeCheckpoint(Problem):
    """All checkpoints of a run are damaged: their checksums do not match, or files are missing. It cannot resume."""

    code: ClassVar[str] = "E640"
    path: str
    reasons: tuple[str, ...]

    def message(self) -> str:
        return f"no checkpoint of {self.path} is intact: {'; '.join(self.reasons)}"

    def help(self) -> str:
        return "run the recipe again, into a new folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDoesNotFit(Problem):
    """A checkpoint holds other arrays than this network and optimizer have: it comes from elsewhere."""

    code: ClassVar[str] = "E641"
    number: int
    reason: str

    def message(self) -> str:
        return f"checkpoint {self.number} is from another network or optimizer ({self.reason})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeChanged(Problem):
    """A run resumes only as it began: another recipe, other classes or counts of images would give another result."""

    code: ClassVar[str] = "E642"
    path: str
    differences: tuple[tuple[str, str, str], ...]
    resolved: str
    longer: bool

    def message(self) -> str:
        shown = [f"\n    {name}: {old} -> {new}" for name, old, new in self.differences[:20]]
        more = len(self.differences) - len(shown)
        return f"the recipe is not the one that {self.path} began with:{''.join(shown)}" + (
            f"\n    and {more} more" if more else ""
        )

    def help(self) -> str:
        if self.longer:
            return "`--extend` resumes with the longer stages; the result is not that of a run of that length"
        return f"to continue as it began, name the recipe of the run: `ftr run {self.resolved} --resume {self.path}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderBusy(Problem):
    """A run folder belongs to one run at a time; when that ends, however it ends, the folder is free."""

    code: ClassVar[str] = "E643"
    path: str

    def message(self) -> str:
        return f"another run is writing into {self.path}"

    def help(self) -> str:
        return "wait for it, or end it"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotResumable(Problem):
    """A folder that no run has written, or one whose `run.json` is damaged."""

    code: ClassVar[str] = "E644"
    path: str
    reason: str

    def message(self) -> str:
        return f"{self.path} cannot be resumed: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToExtend(Problem):
    """`--extend` makes stages longer that are not over yet, or the last one, or adds stages after it."""

    code: ClassVar[str] = "E645"
    path: str
    reason: str

    def message(self) -> str:
        return f"{self.path} cannot be extended: {self.reason}"
