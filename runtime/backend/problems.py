"""What can be wrong with the machine that a run is to run on (E602)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem


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
