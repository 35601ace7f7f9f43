"""What the commands say on standard error of a run: before it trains, and at its end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from recipe_lang.words import counted
from runtime.commands.command import console, show_problems, tell
from runtime.commands.supervisor import note
from runtime.system.files import from_here
from runtime.system.streams import surviving

if TYPE_CHECKING:
    from runtime.training.events import Event, Preliminary
    from runtime.workflows.preparation import Prepared

_SHOWN = 5  # of the images that are skipped


def tell_prepared(deny: bool, quiet: bool, prepared: Prepared) -> bool:
    """Say what is known before a run; return whether it may run: with `deny` only where there is no advice."""
    _note_memory(prepared)
    tell_images(prepared, is_advised=deny or not quiet)
    if deny or not quiet:
        with surviving(sys.stderr):
            show_problems(prepared.advice)
    return not (prepared.advice and deny)


def tell_images(prepared: Prepared, is_advised: bool) -> None:
    """Say how images were chosen, and what is passed over among them, unless advice that is shown has said it."""
    for each in prepared.notes:
        tell(each)
    if not (is_advised and any(each.code == "W790" for each in prepared.advice)):
        tell(prepared.passed_over())


def tell_event(deny: bool, quiet: bool, event: Preliminary | Event) -> None:
    """Say on standard error what is known before a run trains; with `deny`, refuse it where there is advice.

    Raises:
        RecipeError: with the advice.
    """
    from runtime.training.events import Advised, FolderOpened, ImagesConverted, ImagesSkipped

    match event:
        case FolderOpened():
            note(run=str(event.folder))
        case ImagesSkipped():
            for name, reason in event.images[:_SHOWN]:
                tell(f"skipped {from_here(name)}: {reason}")
            if len(event.images) > _SHOWN:
                tell(f"skipped {counted(len(event.images) - _SHOWN, 'more image')}: `skipped_images` in result.json")
        case Advised() if deny:
            raise RecipeError(event.problems)
        case Advised() if not quiet:
            show_problems(event.problems)
        case ImagesConverted() if not quiet:
            for line in event.notes:
                tell(line)


def tell_ending(folder: Path, result: Mapping[str, Any]) -> None:
    """Say on standard error what could not be written, and how an interrupted run resumes."""
    from runtime.runs.writer import how_to_resume, weights_left

    with surviving(sys.stderr):
        for name, reason in result["missing"]:
            tell(f"could not write {name}: {reason}")
        if result["status"] == "interrupted":
            tell(f"interrupted; {weights_left(folder, result)}")
            tell(how_to_resume(folder))


def keep_lock(recipe: Path, folder: Path, quiet: bool) -> None:
    """Write or extend the recipe's lock, by a run that has ended well, and say so."""
    from runtime.reporting.console import say
    from runtime.runs.lock.facts import keep_lock as keep

    try:
        told = keep(recipe, folder)
    except RecipeError as fault:  # the run itself has ended well
        tell(fault)
    else:
        if told and not quiet:
            say(console(), told)


def _note_memory(prepared: Prepared) -> None:
    """Leave with the parent what it says when the system kills the run."""
    problem = prepared.out_of_memory()
    note(batch=problem.batch, fits=problem.fits)
    if problem.span is not None:
        source = problem.span.source
        note(name=source.name, text=source.text, batch_at=(problem.span.start, problem.span.end))
