"""How sure the numbers of runs are: what seeds alone change, and what images alone decide.

In go plain numbers, out come plain numbers; SciPy is imported where it is needed. Runs of one recipe that differ in
their seeds give a mean with its interval (`Estimate`); two recipes with the same seeds give the mean of their
differences with its interval, which has the verdict. What two runs answered right of the same images is another
question, of these two runs on these images, and McNemar's test answers it for each pair by itself: answers of several
pairs to the same images are not independent, and are never pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, sqrt
from statistics import fmean

CONFIDENCE = 0.95
LEVEL = 1 - CONFIDENCE


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds, the standard deviation of the single values, and the mean's 95% t interval."""

    mean: float
    spread: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2

    def meets(self, operator: str, number: float) -> bool:
        """Whether the end of the interval that is nearer to a number still stands in a relation to it."""
        return _MEETS[operator](self, number)

    @property
    def is_noise(self) -> bool:
        """Whether the interval of a difference holds 0, so that there may be none."""
        return self.low <= 0 <= self.high


_MEETS: Mapping[str, Callable[[Estimate, float], bool]] = {
    ">=": lambda found, number: found.low >= number,
    ">": lambda found, number: found.low > number,
    "<=": lambda found, number: found.high <= number,
    "<": lambda found, number: found.high < number,
}


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of two values or more, and its 95% interval by Student's t.

    The interval is mean ± t · s / √n, with s the standard deviation (with n - 1) and t the 97.5% quantile of Student's
    t distribution with n - 1 degrees of freedom. It takes values that are independent and about normal: those of runs
    with different seeds. A value that is no number makes all of it such.
    """
    mean = fmean(values)
    spread = sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    margin = _quantile(len(values) - 1) * spread / sqrt(len(values))
    return Estimate(mean, spread, mean - margin, mean + margin)


@cache
def _quantile(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What two runs, A and B, answered of the same images: how many only A has right, how many only B, of how many."""

    only_a: int
    only_b: int
    images: int

    @property
    def p(self) -> float:
        """The p value of McNemar's exact test: that of a fair coin which falls so unevenly, or more so.

        Of the b + c images that one of two runs has right and the other wrong, B has right as many as a binomial of
        b + c trials with probability one half gives, where the runs are equally good (McNemar 1947, Psychometrika 12,
        153-157; the exact, conditional form, two-sided).
        """
        from scipy.stats import binomtest

        differing = self.only_a + self.only_b
        return float(binomtest(self.only_b, differing).pvalue) if differing else 1.0

    @property
    def is_noise(self) -> bool:
        """Whether the test shows no difference, at the 5% level."""
        return self.p > LEVEL

    @property
    def difference(self) -> float:
        """The accuracy of B less that of A."""
        return (self.only_b - self.only_a) / self.images

    @property
    def smallest(self) -> float:
        """The smallest difference in accuracy that the test could show where the runs disagree on so many images.

        See `smallest_difference`.
        """
        return smallest_difference(self.only_a + self.only_b, self.images)


def disagreement(a: Mapping[str, bool], b: Mapping[str, bool]) -> Disagreement:
    """Compare what two runs have right of the same images, each by its id.

    Raises:
        ValueError: they are not the same images.
    """
    if a.keys() != b.keys():
        raise ValueError("not the same images")
    only_a = sum(right and not b[name] for name, right in a.items())
    only_b = sum(right and not a[name] for name, right in b.items())
    return Disagreement(only_a, only_b, len(a))


def smallest_difference(differing: int, images: int) -> float:
    """Return the smallest difference in accuracy that McNemar's exact test could show on a test set.

    With m images on which two runs disagree, of n, it is d / n, where d is the least number of the parity of m whose
    p = min(1, 2 · Σ_{k ≤ (m - d) / 2} C(m, k) / 2^m) is at most 5%. Where fewer than six disagree there is none; then
    m = 6 counts, at which all have to fall to one side: six images in any case (McNemar 1947, as in `Disagreement.p`;
    conditional on m, so no power is promised).
    """
    differing = max(differing, _least_differing())
    total, tail = 2**differing, 0
    for fewer in range(differing // 2 + 1):
        tail += comb(differing, fewer)
        if 2 * tail > LEVEL * total:
            return (differing - 2 * (fewer - 1)) / images
    return 0.0  # never: half of the coins falls so in more than 5%


@cache
def _least_differing() -> int:
    """Return how many images two runs must at least disagree on so that the test can show anything: six."""
    count = 1
    while 2 * 0.5**count > LEVEL:
        count += 1
    return count


def is_too_close(one: float, other: float, images: int) -> bool:
    """Whether no test of their answers can tell two accuracies on the same images apart, whatever the answers are.

    That is so where fewer than six images make the difference: even if one run has right all that the other has, and
    these, McNemar's exact test does not reach 5%.
    """
    return abs(one - other) * images < _least_differing() - 0.5
