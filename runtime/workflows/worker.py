"""What the workers of a run do that do not lead it.

Rank 0 runs `run` (`run.py`), which writes the folder. Each other worker prepares the same recipe from its own disk,
compares what it comes to with what rank 0 has, gets from it where the run resumes, and takes the same steps. It writes
nothing and shows nothing; what is wrong, it raises.
"""

from __future__ import annotations

from collections.abc import Callable

from recipe_lang.problem import RecipeError
from runtime.distribution.exchange import Exchange
from runtime.system.signals import stop_signal
from runtime.training.loop import train
from runtime.training.problems import LossNotFinite
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted
from runtime.workflows.agreement import compare_facts, hear_facts, hear_start
from runtime.workflows.preparation import Prepared
from runtime.workflows.run import RunContext, compile_for, lock_facts, open_session, validate_images


def work(
    prepared: Prepared,
    settings: RunSettings,
    exchange: Exchange,
    place: str,
    *,
    opened: Callable[[str], object],
    say: Callable[[str], object],
    stop: Callable[[int], object],
    waits: bool = False,
) -> None:
    """Take part in a run that rank 0 leads, to its end.

    `place` is this machine's name. `opened` is told the folder of the run, `say` has rank 0 say a line, and `stop` asks
    it to end the run: a signal came here. One that `waits` looks at its images behind rank 0: they have one cache.

    Raises:
        RecipeError: something about the recipe, its data or its base is wrong here, or another than at rank 0.
    """
    with stop_signal(stop):
        context = RunContext(settings)
        lead = hear_facts(exchange) if waits else None
        images = validate_images(prepared, context)
        prepared = compile_for(prepared, images)
        facts, _ = lock_facts(prepared, context)
        if line := compare_facts(exchange, lead or hear_facts(exchange), facts, place):
            say(line)
        folder, checkpoint = hear_start(exchange)
        opened(folder)
        with open_session(prepared, images, context, checkpoint=checkpoint, exchange=exchange) as session:
            try:
                for _ in train(session):
                    pass
            except Interrupted:
                pass
            except RecipeError as error:
                if any(problem.kind is not LossNotFinite for problem in error.problems):
                    raise  # else it is the loss of all, and rank 0 says so when it has written what is left
