"""What the commands share: exit codes, how an error is shown, and quiet native libraries.

MXNet is imported inside the commands that need it, and only after the number of threads is set.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import IO, TYPE_CHECKING, ParamSpec

import click

from recipe_lang.output.render import render
from recipe_lang.problem import Problem, RecipeError
from recipe_lang.words import printable, wrapped
from runtime.system.streams import surviving, unread

if TYPE_CHECKING:
    from rich.console import Console

FINE, FAILED, INVALID, BUG = 0, 1, 2, 3
WORDS = "ftr.words"
"""Where the context of all commands has the words of the command line."""
# The loss, the lock, the disk, the memory, a check, a cluster: neither the recipe's nor the command's fault.
_FAILURES = (
    "E561",
    "E601",
    "E603",
    "E607",
    "E617",
    "E618",
    "E648",
    "E649",
    "E651",
    "E652",
    "E660",
    "E661",
    "E695",
    "E696",
)
_BUG = "\nThis is a bug in ftr, not in your recipe. Please report it with the lines above."
_NO_THREAD = "the system refuses another thread (`ulimit -u`, or a container's limit): try again with `--threads 1`"
_SHOWN = 100  # problems on the screen
_PIPED = 120  # columns where nobody says how wide the page is
P = ParamSpec("P")


def command(function: Callable[P, int]) -> Callable[P, None]:
    """Turn a command's outcome into an exit code; show the user's errors as such, and ours as ours."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        sys.exit(outcome(partial(function, *args, **kwargs)))

    return wrapped


def outcome(work: Callable[[], int]) -> int:
    """Do a command's work, or a part of it, and show its errors; return the exit code."""
    try:
        code = work()
        sys.stdout.flush()
        if code == FINE and unread():
            code = 128 + signal.SIGPIPE
    except RecipeError as error:
        with surviving(sys.stderr):
            show_problems(error.problems)
            if error.note:
                click.echo(printable(error.note, kept="\n"), err=True)
        failed = any(problem.code in _FAILURES or not problem.is_error for problem in error.problems)
        code = FAILED if failed else INVALID
    except KeyboardInterrupt as stopped:  # whoever raises it again may say what is left
        with surviving(sys.stderr):
            click.echo(printable(f"interrupted{stopped}", kept="\n"), err=True)
        code = 128 + signal.SIGINT
    except (BrokenPipeError, SystemExit):  # the second is how rich says it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 128 + signal.SIGPIPE
    except OSError as error:
        code = without_output(error)
    except (click.ClickException, click.exceptions.Exit):
        raise
    except Exception:
        with surviving(sys.stderr):
            traceback.print_exc()
            click.echo(_BUG, err=True)
        code = BUG
    return code


def without_output(error: OSError) -> int:
    """Say that the output cannot be written; return the exit code.

    Raises:
        OSError: the error is another one than a full disk, or a terminal that is gone.
    """
    if error.errno not in (errno.ENOSPC, errno.EIO):
        raise error
    with surviving(sys.stderr):
        click.echo(f"cannot write the output: {error.strerror}", err=True)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return FAILED


def show_problems(problems: tuple[Problem, ...], for_all: str = "") -> None:
    """Print problems on standard error, of very many the first; `for_all` says what shows the others."""
    if not problems:  # rich takes 30 ms to import
        return
    from runtime.reporting.console import SafeConsole

    out = SafeConsole(stderr=True, soft_wrap=True, highlight=False)
    columns = page_width(sys.stderr)
    for problem in problems[:_SHOWN]:
        head, *rest = render(problem).splitlines()
        style = "bold red" if problem.is_error else "bold yellow"
        out.print(wrapped(head, columns), style=style, markup=False)
        for line in rest:
            out.print(_wrapped_help(line, columns), markup=False)
        out.print()
    if len(problems) > _SHOWN:
        out.print(f"… and {len(problems) - _SHOWN:,} more{for_all}", markup=False)
    errors = sum(problem.is_error for problem in problems)
    if errors > 1:
        out.print(f"{errors} errors")


def _wrapped_help(line: str, columns: int | None) -> str:
    """Break a line of a problem's help between words; places, excerpts and carets stay as they are."""
    is_help = line.lstrip().startswith("= help: ") or line.startswith(" " * 10)
    return wrapped(line, columns, " " * len("= help: ") if "= help: " in line else "") if is_help else line


def page_width(stream: IO[str]) -> int | None:
    """Return how many columns the page has that a stream is shown on; None where it is none, such as a file."""
    if os.environ.get("COLUMNS", "").isdecimal():
        return int(os.environ["COLUMNS"])
    return shutil.get_terminal_size().columns if stream.isatty() else None


def tell(line: object) -> None:
    """Print a line on standard error that is no problem but must not go unsaid; an empty one says nothing."""
    if text := printable(line):
        with surviving(sys.stderr):
            click.echo(wrapped(text, page_width(sys.stderr)), err=True)


def echo(line: object) -> None:
    """Print a line on standard output, broken between words where the page is too narrow for it."""
    columns = page_width(sys.stdout)
    for each in str(line).splitlines():
        click.echo(wrapped(printable(each), columns))


def console() -> Console:
    """Return a console for standard output, in which names of classes and files are no markup, and harmless."""
    from runtime.reporting.console import SafeConsole

    out = SafeConsole(highlight=False, markup=False, emoji=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out.width = _PIPED
    return out


def keep_to_threads(asked: int | None = None) -> None:
    """Choose the number of threads before NumPy or MXNet are loaded, and say where it is not as it was asked for."""
    from runtime.system.threads import choose_threads

    if few := choose_threads(asked):
        with surviving(sys.stderr):
            click.echo(few, err=True)


@contextmanager
def first_words(path: Path, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """Yield a function that says on a terminal what keeps a command busy, before there is anything else to see.

    What was said is taken away at the end. Nobody needs it in a file.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda doing: None
        return
    moves = os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    clear, end = ("\r\x1b[2K", "") if moves else ("", "\n")

    def say(doing: str) -> None:
        columns = shutil.get_terminal_size().columns
        with surviving(sys.stderr):
            sys.stderr.write(f"{clear}{printable(f'{path.name}: {doing}')[: columns - 1]}{end}")

    try:
        yield say
    finally:
        with surviving(sys.stderr):
            sys.stderr.write(clear)


@contextmanager
def mxnet(threads: int | None = None, debug: bool = False, instructions: object = None) -> Iterator[None]:
    """Set the number of threads and the processor's instructions, and keep library noise out of the way."""
    from runtime.system.cpu import limit_instructions
    from runtime.system.native_stderr import quiet_libraries

    limit_instructions(instructions)
    keep_to_threads(threads)
    os.environ.setdefault("MXNET_LOG_LEVEL", "ERROR")
    with quiet_libraries(debug) as tail:
        try:
            yield
        except (RecipeError, KeyboardInterrupt, click.ClickException):
            raise
        except Exception as error:
            from runtime.system import memory
            from runtime.system import threads as allowed

            if allowed.is_refusal(error):
                click.echo(_NO_THREAD, err=True)
                sys.stderr.flush()
                os._exit(FAILED)  # MXNet would wait for the end of a thread that it never had
            if memory.is_refusal(error):
                from runtime.training.problems import OutOfMemory

                raise RecipeError(OutOfMemory()) from error
            click.echo(tail(), err=True, nl=False)
            raise
