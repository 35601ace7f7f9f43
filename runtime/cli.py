"""The command line: the group of all commands, and how the program starts."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import warnings
from importlib import import_module
from typing import Any, TypeGuard

import click

from recipe_lang.words import wrapped
from runtime.commands.command import WORDS, page_width, without_output
from runtime.commands.supervisor import guarded
from runtime.system.streams import surviving

_NARROWEST = 20  # columns in which anything can be read
_ERROR = "Error: "  # what click begins an error with

COMMANDS = {
    name: module
    for module, names in {
        "language": ("check", "explain", "fix", "fmt", "lsp", "new", "show"),
        "plan": ("plan",),
        "run": ("run",),
        "search": ("tune",),
        "rates": ("lr-find",),
        "features": ("features",),
        "locks": ("lock", "verify"),
        "seeds": ("compare",),
        "results": ("evaluate", "predict", "export", "runs"),
        "sharing": ("pack", "unpack", "push", "pull"),
        "data": ("data",),
        "cache": ("cache",),
        "weights": ("weights",),
    }.items()
    for name in names
}
"""The module of `runtime/commands/` that has each command: only that of the command that is asked for is loaded."""


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from runtime.system.installation import own_version
        from runtime.vocabulary import VOCABULARY

        names = ("mxnet", "gluoncv", "numpy")
        parts = ", ".join(f"{name} {version(name)}" for name in names)
        click.echo(f"ftr {own_version()} (language {VOCABULARY.version}) on {parts}, Python {sys.version.split()[0]}")
        context.exit()


class _Program(click.Group):
    """The group of all commands. What it does not understand is answered from the tables of habits."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Load a command."""
        if name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"runtime.commands.{COMMANDS[name]}"), name.replace("-", "_"))
        return found

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        """Take `ftr help run` and `ftr --help run` for `ftr run --help`."""
        if words[:1] in (["help"], ["--help"], ["-h"]):
            words = [*words[1:2], "--help"] if words[1:2] and words[1] in COMMANDS else ["--help"]
        context.meta[WORDS] = list(words)
        return super().parse_args(context, words)

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; say what to type where there is none."""
        if words[0] not in COMMANDS and not words[0].startswith("-"):
            from runtime.commands.suggestions import instead_of_command

            raise click.UsageError(instead_of_command(words, COMMANDS), context)
        return super().resolve_command(context, words)

    def invoke(self, context: click.Context) -> Any:
        """Run the command; say what to type instead of an option that it does not have."""
        try:
            return super().invoke(context)
        except click.UsageError as error:
            if isinstance(error, click.exceptions.NoArgsIsHelpError):
                raise
            told = _instead(error, context.meta[WORDS]) or error.format_message()
            raise click.UsageError(_wrapped(told), error.ctx) from error
        except KeyboardInterrupt:  # the commands see to their own: this is before them, and click would exit with 1
            with surviving(sys.stderr):
                click.echo("interrupted before anything was done", err=True)
            sys.exit(128 + signal.SIGINT)


def _wrapped(told: str) -> str:
    """Break the message of an error between words where the page is too narrow for it."""
    columns = page_width(sys.stderr)
    head, *rest = told.splitlines() or [""]
    return "\n".join([wrapped(_ERROR + head, columns).removeprefix(_ERROR), *(wrapped(each, columns) for each in rest)])


def _is_flag(parameter: click.Parameter) -> TypeGuard[click.Option]:
    return isinstance(parameter, click.Option) and parameter.is_flag


def _instead(error: click.UsageError, words: list[str]) -> str:
    wrong = [error.option_name] if isinstance(error, click.NoSuchOption) else []
    if error.message.startswith("Got unexpected extra argument"):
        wrong = [word for word in words if re.fullmatch(r"[A-Za-z]\w*=.*", word)][:1]
    if error.ctx is None:
        return ""
    from runtime.commands.suggestions import instead_of_option, without_value

    if not wrong:
        flags = {name: each.help for each in error.ctx.command.params if _is_flag(each) for name in each.opts}
        return without_value(flags, words) if "unexpected extra argument" in error.message else ""
    options = [name for parameter in error.ctx.command.params for name in parameter.opts]
    return instead_of_option(error.ctx.info_name or "", options, wrong[0], words)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show versions.")
def app() -> None:
    """Check, plan and run `.ftr` recipes, which describe how to fine-tune image models."""


def _open_closed_streams() -> None:
    """Lead streams that are closed nowhere: else the next file that opens would take their place, and their text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(handle, "w" if number else "r", closefd=False))


def _forget_odd_width() -> None:
    """Take `COLUMNS` for unknown where no page is so wide (0, as some terminals say): nothing would be shown on it."""
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isdecimal() and len(columns) < 5 and int(columns) >= _NARROWEST):
        os.environ.pop("COLUMNS", None)


def main() -> None:
    """Run the command line."""
    _open_closed_streams()
    _forget_odd_width()
    # They are for those who write programs; `PYTHONWARNINGS=error` would end a run for a library's.
    warnings.simplefilter("ignore")
    guarded(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except OSError as error:  # the commands see to their own: this is the help
        sys.exit(without_output(error))


__all__: list[Any] = ["COMMANDS", "app", "main"]
