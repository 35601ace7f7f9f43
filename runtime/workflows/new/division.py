"""How the images of a survey are divided into sets: those that it found, and parts held out of `train`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.data import splits
from runtime.data.groups import groups_of
from runtime.data.listing import Listing
from runtime.tasks.catalog import TASKS
from runtime.workflows.new.scan import Survey

SEED = 1


@dataclass(frozen=True, slots=True)
class Division:
    """The images of each set, and the parts of `train` that are held out for some."""

    sets: Mapping[str, Listing]
    shares: Mapping[str, float]

    @property
    def training(self) -> int:
        """How many images train."""
        return len(self.sets["train"].samples)

    def __str__(self) -> str:
        """Say in a line how many images each set has, and which were held out."""
        return f"{self.training:,} to train on; {self._told('valid')}; {self._told('test')}"

    def _told(self, name: str) -> str:
        if name not in self.sets:
            return f"no {name} set"
        purpose = {"valid": "for validation", "test": "to test"}[name]
        held = f", held out ({self.shares[name]:.0%})" if name in self.shares else ""
        return f"{len(self.sets[name].samples):,} {purpose}{held}"


def divided(survey: Survey, shares: Mapping[str, float]) -> Division:
    """Hold parts out of the training images."""
    task = TASKS[survey.task]
    sets = {name: found.listing for name, found in survey.sets.items()}
    by = survey.sets["train"].by
    groups = groups_of(survey.train, by) if by else None
    parts = {name: splits.Split(share, groups=groups) for name, share in shares.items()}
    return Division(sets | splits.divided(survey.train, parts, SEED, task.strata(survey.train)), shares)
