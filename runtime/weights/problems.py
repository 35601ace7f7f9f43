"""What can be wrong with a weights file, as problems E520 to E528."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from recipe_lang.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotReadWeights(Problem):
    """The weights file is missing, is not an ordinary file, or the system refuses to read it.

    A relative path is looked up from the folder that the command runs in, unless the recipe says otherwise.
    """

    code: ClassVar[str] = "E520"
    path: str
    reason: str

    def message(self) -> str:
        """Say what is wrong."""
        return f"cannot read the weights file `{self.path}`: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWeights(Problem):
    """The file is not of the kind that its place in the recipe asks for.

    It is judged by its first bytes, not by its name: a download that failed often leaves a web
    page under the name of the weights.
    """

    code: ClassVar[str] = "E521"
    path: str
    expected: str
    found: str

    def message(self) -> str:
        """Say what is wrong."""
        return f"`{self.path}` is not {self.expected}: it looks like {self.found}"

    def help(self) -> str:
        """Say what to do about it."""
        return "get the file again, or name the file that holds the weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedWeights(Problem):
    """The weights file contradicts itself: it is cut short, altered, or has bytes left over.

    Nothing of it is used. Copy or download it again; a checksum in the recipe shows such damage at once.
    """

    code: ClassVar[str] = "E522"
    path: str
    reason: str
    offset: int

    def message(self) -> str:
        """Say what is wrong."""
        return f"the weights file `{self.path}` is damaged: {self.reason} (at byte {self.offset})"

    def help(self) -> str:
        """Say what to do about it."""
        return "copy or download the file again"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedWeights(Problem):
    """The weights file is intact, but holds something that cannot be put into a network here.

    Dense, named arrays of plain numbers are read; sparse or unnamed arrays, quantized or
    bfloat16 numbers, and PyTorch's zip format are not.
    """

    code: ClassVar[str] = "E523"
    path: str
    found: str
    hint: str = ""

    def message(self) -> str:
        """Say what is wrong."""
        return f"`{self.path}` holds {self.found}, which cannot be read"

    def help(self) -> str:
        """Say what to do about it."""
        return self.hint


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeInWeights(Problem):
    """The PyTorch file asks for a function or class that a plain table of weights does not need.

    Such a file can run any program when it is opened the usual way. Here nothing of it was run and nothing
    of it is used.
    """

    code: ClassVar[str] = "E524"
    path: str
    name: str

    def message(self) -> str:
        """Say what is wrong."""
        return f"`{self.path}` contains code, not just weights: `{_plain(self.name)}`"

    def help(self) -> str:
        """Say what to do about it."""
        return "use a file that holds a state dict only, saved by `torch.save(model.state_dict(), ...)`"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadChecksum(Problem):
    """A checksum is the beginning of a SHA-256 sum: 8 to 64 hexadecimal digits."""

    code: ClassVar[str] = "E525"
    text: str

    def message(self) -> str:
        """Say what is wrong."""
        return f"`{self.text}` is not a checksum"

    def help(self) -> str:
        """Say what to do about it."""
        return "write 8 to 64 hexadecimal digits of the file's SHA-256, from its beginning"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongChecksum(Problem):
    """The file's SHA-256 sum does not begin with the expected digits: another file, or a damaged one."""

    code: ClassVar[str] = "E526"
    path: str
    expected: str
    found: str

    def message(self) -> str:
        """Say what is wrong."""
        return f"`{self.path}` is not the expected file: SHA-256 {self.found}, expected {self.expected}"

    def help(self) -> str:
        """Say what to do about it."""
        return "get the file again, or write the new checksum if the change is wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsDoNotFit(Problem):
    """The weights do not belong to this network: names are missing, left over, or of another shape.

    Every parameter of the network must come from the file, except a classifier that the recipe
    replaces. Nothing was loaded.
    """

    code: ClassVar[str] = "E527"
    origin: str
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()

    def message(self) -> str:
        """Say what is wrong."""
        parts = [
            f"{len(names)} {what} ({_a_few(names)})"
            for what, names in (
                ("missing", self.missing),
                ("unknown", self.extra),
                ("of another shape or kind", self.misshaped),
            )
            if names
        ]
        return f"the weights from {self.origin} do not fit the network: {', '.join(parts)}"

    def help(self) -> str:
        """Say what to do about it."""
        return "name the base that these weights were trained for"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageNotInstalled(Problem):
    """The base's pretrained weights come in a Python package of their own, which is not installed.

    Once it is installed, no network is needed any more.
    """

    code: ClassVar[str] = "E528"
    base: str
    package: str
    command: str

    def message(self) -> str:
        """Say what is wrong."""
        return f"the weights of `{self.base}` are in the package `{self.package}`, which is not installed"

    def help(self) -> str:
        """Say what to do about it."""
        return f"run: {self.command}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoHostedWeights(Problem):
    """The zoo's hosted weights for this base are not available.

    For some networks a zoo never hosted any. For the others, the files of MXNet and GluonCV are reported
    gone since February 2024 (https://github.com/dmlc/gluon-cv/issues/1778): only a copy in the zoo's cache
    still loads.
    """

    code: ClassVar[str] = "E540"
    zoo: str
    name: str
    reason: str

    def message(self) -> str:
        """Say what is wrong."""
        return f'cannot get the `imagenet` weights of {self.zoo}("{self.name}"): {self.reason}'

    def help(self) -> str:
        """Say what to do about it."""
        return (
            'if you have the file, write `weights = gluon_params("file.params")`\n'
            'or take a base that brings its weights: `packaged("efficientnet_lite0")`'
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
