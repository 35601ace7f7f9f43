"""What goes wrong while a run runs (E6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.diagnostics import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNotFinite(Problem):
    """The loss became infinite or no number: the weights are of no use from there on, so the run stops."""

    code: ClassVar[str] = "E601"
    title: str
    step: int
    rate: float
    loss: float

    def message(self) -> str:
        return f'the loss is {self.loss} at step {self.step} of stage "{self.title}", at rate {self.rate:.3g}'

    def help(self) -> str:
        return "lower the rate, add `clip = global_norm(1.0)`, or a warm-up to the schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchDevice(Problem):
    """The device that was asked for is not there."""

    code: ClassVar[str] = "E602"
    device: str
    reason: str

    def message(self) -> str:
        return f"cannot run on `{self.device}`: {self.reason}"

    def help(self) -> str:
        return "did you mean `--device gpu`?" if self.device.startswith("cuda") else "use `--device cpu`"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWritable(Problem):
    """The run folder, or a file in it, cannot be written."""

    code: ClassVar[str] = "E603"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot write {self.path}: {self.reason}"

    def help(self) -> str:
        return "free some space, or choose another place with `--out FOLDER`"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderTaken(Problem):
    """A run never writes over another run."""

    code: ClassVar[str] = "E604"
    path: str

    def message(self) -> str:
        return f"{self.path} exists and is not empty"

    def help(self) -> str:
        return "choose another folder with `--out`, or leave it out: runs are then numbered"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotARun(Problem):
    """A folder that is no finished run, or one whose files are damaged."""

    code: ClassVar[str] = "E605"
    path: str
    reason: str

    def message(self) -> str:
        return f"{self.path} is not a finished run: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSuchSet(Problem):
    """A run is measured on a set that its recipe has; `--data` names other images."""

    code: ClassVar[str] = "E608"
    path: str
    set_name: str

    def message(self) -> str:
        return f"the recipe of {self.path} has no {self.set_name} set"

    def help(self) -> str:
        return "say `--on valid`, or `--data FOLDER` for other images"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoImages(Problem):
    """A path to predict on is an image file, or a folder that holds some."""

    code: ClassVar[str] = "E606"
    path: str

    def message(self) -> str:
        return f"no image at {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfMemory(Problem):
    """The memory does not suffice for the network, the image size and the batch."""

    code: ClassVar[str] = "E607"

    def message(self) -> str:
        return "out of memory"

    def help(self) -> str:
        return "make `batch` or `size` smaller, train fewer parts, or close other programs"
