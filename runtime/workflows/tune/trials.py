"""Trials of a recipe: it is trained with other values of its parameters, all in this process.

`Trials` takes a prepared recipe. `run` trains it with some values and returns what validation says; the test set is not
measured, and nothing is written. Images, the network and frozen features are shared by all trials whose values leave
them as they are, so that one that changes the head, a learning rate or a length costs seconds.

A trial gives the weights of `ftr run RECIPE --set NAME=VALUE` with the same values, bit for bit, whatever was run
before it in this process; `TrialResult.weights` is the hash that such a run has in its lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from types import MappingProxyType, TracebackType

from runtime.data.decoded import Decoded
from runtime.data.sets import located
from runtime.features.store import Tables
from runtime.models.heads import output_bias
from runtime.models.network import start_weights
from runtime.system.signals import StopSignal
from runtime.training.events import Evaluated, Observer, Tested
from runtime.training.loop import train
from runtime.training.settings import RunSettings
from runtime.training.stage import Interrupted, Session
from runtime.training.state import Checkpoint, TrainState
from runtime.weights.params_file import sha256_of_arrays
from runtime.workflows.preparation import Prepared, prepare
from runtime.workflows.run import RunContext, ValidatedImages, compile_for, session_of, validate_images

Parameters = Mapping[str, str]
"""Values of parameters by name, as `--set` takes them: `{"lr": "0.001", "length": "3 epochs"}`."""


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What a trial gave: the metrics on validation of the weights that its last stage hands on, and of each epoch.

    One that was ended before has the metrics of its last epoch, or none, and is not `whole`; it has no hash of weights.
    """

    values: Mapping[str, float]
    epochs: tuple[Evaluated, ...]
    whole: bool
    seconds: float
    weights: str = ""


class Trials:
    """Trains a prepared recipe again and again. To be closed at the end, or used as a context.

    `settings` say where it runs, as for `ftr run`; `should_stop` is asked before each batch. `images` are those of the
    prepared recipe, where they have been validated already.
    """

    def __init__(
        self,
        prepared: Prepared,
        settings: RunSettings,
        should_stop: Callable[[], bool] = lambda: False,
        signal: StopSignal | None = None,
        images: ValidatedImages | None = None,
    ) -> None:
        self.prepared = prepared
        self._fixed = prepared.given.settings
        self._settings = settings
        self._should_stop = should_stop
        self._signal = signal or StopSignal()
        self._decoded = Decoded(frozenset({"train", "valid"})) if settings.cache else None
        self._tables = Tables()
        self._images = images

    def run(
        self,
        parameters: Parameters,
        observers: Sequence[Observer] = (),
        *,
        checkpoint: Checkpoint | None = None,
        is_due: Callable[[TrainState], bool] = lambda state: False,
        costs: Mapping[str, Callable[[Session], float]] = MappingProxyType({}),
    ) -> TrialResult:
        """Train the recipe with these values of its parameters, the others as they were prepared.

        `observers` are told each event of the run; one that raises `Interrupted` behind `Evaluated` ends the trial
        there. With `checkpoint` the trial goes on from a state of another one whose network, optimizer and stages are
        the same; `is_due` says when the observers get a `CheckpointDue`. `costs` are measured on the trained network,
        and join the metrics.

        Raises:
            RecipeError: the recipe cannot be run with these values, or the loss is no number.
        """
        began = time.monotonic()
        context = RunContext(self._settings, observers, self._should_stop, self._signal)
        epochs: list[Evaluated] = []
        values: Mapping[str, float] | None = None
        weights = ""
        with suppress(Interrupted):
            session = self._session(parameters, context, checkpoint, is_due)
            with closing(train(session)) as events:
                for event in events:
                    if isinstance(event, Evaluated):
                        epochs.append(event)
                    context.tell(event)
                    if isinstance(event, Tested):  # validation; the test set would be next
                        weights = sha256_of_arrays(session.model.arrays())
                        values = {**event.report.values, **{name: cost(session) for name, cost in costs.items()}}
                        break
        reached = values if values is not None else epochs[-1].values if epochs else {}
        return TrialResult(reached, tuple(epochs), values is not None, time.monotonic() - began, weights)

    def _session(
        self,
        parameters: Parameters,
        context: RunContext,
        checkpoint: Checkpoint | None,
        is_due: Callable[[TrainState], bool],
    ) -> Session:
        """Return the recipe with these values, ready to train, sharing what it can with the trial before."""
        given, before = self.prepared.given, self.prepared
        settings = (*self._fixed, *(f"{name}={value}" for name, value in parameters.items()))
        prepared = prepare(given.path, settings, given.data_root, given.outside, earlier=before)
        if self._images is None or any(
            each is not before.listings.get(name) for name, each in prepared.listings.items()
        ):
            self._images = validate_images(prepared, context)
        self.prepared = prepared = compile_for(prepared, self._images)
        plan = prepared.plan
        with located(plan.base.span):
            start_weights(prepared.model, plan.base, plan.seed, context.device, output_bias(plan))
        self._tables.begin()
        return session_of(
            prepared, self._images, context, self._decoded, is_due=is_due, checkpoint=checkpoint, lasting=self._tables
        )

    def close(self) -> None:
        """Let go of images and features."""
        self._tables.close()
        if self._decoded is not None:
            self._decoded.close()

    def __enter__(self) -> Trials:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
