"""What chooses the values of the next trial, and what ends a trial early: Optuna's, with all of their settings.

Each row has the settings that decide what is drawn: none is left to a default of the library, which may change. A
sampler is made anew for each trial, with a seed by the count of the trials that are finished, so that a study that was
killed goes on as if it had not been. What a sampler knows beside that is in the study.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from recipe_lang.problem import RecipeError
from recipe_lang.words import listed
from runtime.system.installation import install_command
from runtime.workflows.tune.problems import SamplerDoesNotFit

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class SamplerRow:
    """A sampler: what it does, its settings, what makes it of them, a trial's seed and the study's.

    `takes_several` says whether several metrics suit it. One with `points` goes through a grid: the values come from
    there, and what is made draws none.
    """

    doc: str
    settings: Mapping[str, Any]
    make: Callable[[Mapping[str, Any], int, int], optuna.samplers.BaseSampler]
    takes_several: bool = True
    package: str = "optuna"


def _tpe(settings: Mapping[str, Any], seed: int, study_seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001
    from optuna.samplers import TPESampler

    return TPESampler(**settings, seed=seed)


def _random(settings: Mapping[str, Any], seed: int, study_seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _cmaes(settings: Mapping[str, Any], seed: int, study_seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001
    from optuna.distributions import BaseDistribution
    from optuna.samplers import CmaEsSampler, RandomSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    class OfAnyNumber(CmaEsSampler):
        """CMA-ES that draws by its seed alone: a trial's number counts those that were killed, too."""

        def sample_relative(
            self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
        ) -> dict[str, Any]:
            counted = copy(trial)
            counted.number = 0
            return super().sample_relative(study, counted, search_space)

    return OfAnyNumber(**settings, seed=seed, independent_sampler=RandomSampler(seed=seed))


def _qmc(settings: Mapping[str, Any], seed: int, study_seed: int) -> optuna.samplers.BaseSampler:
    from optuna.samplers import QMCSampler, RandomSampler

    return QMCSampler(**settings, seed=study_seed, independent_sampler=RandomSampler(seed=seed))


def _nsga2(settings: Mapping[str, Any], seed: int, study_seed: int) -> optuna.samplers.BaseSampler:  # noqa: ARG001
    from optuna.samplers import NSGAIISampler
    from optuna.samplers.nsgaii import UniformCrossover

    given = {**settings, "crossover": UniformCrossover(settings["swapping_prob"])}
    return NSGAIISampler(**given, seed=seed)


SAMPLERS: Mapping[str, SamplerRow] = {
    "tpe": SamplerRow(
        "Tree-structured Parzen estimator: draws where good trials lie densely and bad ones do not (arXiv 2304.11127).",
        {
            "n_startup_trials": 8,
            "n_ei_candidates": 24,
            "multivariate": True,
            "group": False,
            "constant_liar": True,
        },
        _tpe,
    ),
    "random": SamplerRow("Draws each value by itself, evenly over its domain.", {}, _random),
    "cmaes": SamplerRow(
        "CMA-ES: a normal distribution that moves and turns (arXiv 1604.00772); items of lists are drawn at random.",
        {
            "x0": None,
            "sigma0": None,
            "n_startup_trials": 4,
            "consider_pruned_trials": False,
            "popsize": None,
            "use_separable_cma": False,
            "with_margin": False,
            "lr_adapt": False,
            "warn_independent_sampling": False,
        },
        _cmaes,
        takes_several=False,
        package="cmaes",
    ),
    "qmc": SamplerRow(
        "Quasi-random: a scrambled Sobol sequence, which leaves no large gaps.",
        {
            "qmc_type": "sobol",
            "scramble": True,
            "warn_asynchronous_seeding": False,
            "warn_independent_sampling": False,
        },
        _qmc,
    ),
    "grid": SamplerRow(
        "All combinations, in an order that the seed shuffles; ranges without steps have `points` values.",
        {"points": 5},
        _random,
    ),
    "nsga2": SamplerRow(
        "NSGA-II: generations of trials that are crossed, for several metrics (doi 10.1109/4235.996017).",
        {"population_size": 12, "mutation_prob": None, "crossover_prob": 0.9, "swapping_prob": 0.5},
        _nsga2,
    ),
}
"""By the names that `--sampler` takes."""


@dataclass(frozen=True, slots=True)
class PrunerRow:
    """What ends trials early, its settings, and what makes it of them and the epochs of a whole trial."""

    doc: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    make: Callable[[Mapping[str, Any], int], optuna.pruners.BasePruner] | None = None


def _median(settings: Mapping[str, Any], epochs: int) -> optuna.pruners.BasePruner:  # noqa: ARG001
    from optuna.pruners import MedianPruner

    return MedianPruner(**settings)


def _hyperband(settings: Mapping[str, Any], epochs: int) -> optuna.pruners.BasePruner:
    from optuna.pruners import HyperbandPruner
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

    class ByPlace(HyperbandPruner):
        """Hyperband whose brackets go by a trial's place, and have none of those that were killed."""

        def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
            if trial.state == TrialState.FAIL:
                return -1
            counted = copy(trial)
            counted.number = trial.user_attrs.get(PLACE, trial.number)
            return super()._get_bracket_id(study, counted)

    return ByPlace(max_resource=epochs, **settings)


PLACE = "place"
"""The attribute of a trial that says how many were finished when it began."""

PRUNERS: Mapping[str, PrunerRow] = {
    "median": PrunerRow(
        "Ends a trial that is worse at an epoch than the median of those before it at the same epoch.",
        {"n_startup_trials": 4, "n_warmup_steps": 1, "interval_steps": 1, "n_min_trials": 1},
        _median,
    ),
    "hyperband": PrunerRow(
        "Gives few epochs to many trials and many to the best third of them, in brackets (arXiv 1603.06560).",
        {"min_resource": 1, "reduction_factor": 3, "bootstrap_count": 0},
        _hyperband,
    ),
    "none": PrunerRow("Each trial trains to its end."),
}
"""By the names that `--pruner` takes."""


def sampler(name: str, seed: int, study_seed: int) -> optuna.samplers.BaseSampler:
    """Return a sampler for one trial."""
    row = SAMPLERS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some settings are experimental
        return row.make(row.settings, seed, study_seed)


def pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    """Return what ends the trials of a study early, of which a whole one has so many epochs."""
    from optuna.pruners import NopPruner

    row = PRUNERS[name]
    return row.make(row.settings, epochs) if row.make else NopPruner()


def check_choice(sampler_name: str, pruner_name: str | None, metrics: Sequence[str]) -> str:
    """Return the pruner that is used where none was chosen.

    Raises:
        RecipeError: the sampler or the pruner cannot do with several metrics, or its package is missing.
    """
    if find_spec(SAMPLERS[sampler_name].package) is None:
        package = SAMPLERS[sampler_name].package
        reason, instead = f"needs the package {package}", f"run: {install_command('tune')}"
        raise RecipeError(SamplerDoesNotFit(what=f"`--sampler {sampler_name}`", reason=reason, instead=instead))
    if len(metrics) == 1:
        return pruner_name or "median"
    if not SAMPLERS[sampler_name].takes_several:
        fit = listed(tuple(f"`{name}`" for name, row in SAMPLERS.items() if row.takes_several))
        raise RecipeError(
            SamplerDoesNotFit(
                what=f"`--sampler {sampler_name}`", reason="searches by one metric only", instead=f"choose {fit}"
            )
        )
    if pruner_name not in (None, "none"):
        reason = "compares trials by one metric, and there are several"
        raise RecipeError(SamplerDoesNotFit(what=f"`--pruner {pruner_name}`", reason=reason, instead="leave it out"))
    return "none"
