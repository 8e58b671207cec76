"""From the scale of a fit to the published one of the Epoch Capabilities Index."""

from dataclasses import dataclass

from analytics.ability.results import Floats


@dataclass(frozen=True)
class ByAnchors:
    """Two units whose index is given.

    Attributes:
        low: First unit.
        high: Second unit.
        low_index: Index of the first.
        high_index: Index of the second.
    """

    low: int
    high: int
    low_index: float = 130.0
    high_index: float = 150.0

    def line(self, slope: Floats, difficulty: Floats, ability: Floats) -> tuple[Floats, Floats]:
        """Intercept and slope of index = a + b θ, given (K, …) slopes and difficulties and (U, …) abilities."""
        del slope, difficulty
        unit = (self.high_index - self.low_index) / (ability[self.high] - ability[self.low])
        return self.low_index - unit * ability[self.low], unit


@dataclass(frozen=True)
class ByIndexItem:
    """A published index that is itself an item: its fitted line is the scale.

    Attributes:
        item: The linear item that is the index.
        centre: What was taken off its figures.
        width: By what they were divided (`results.standardised`).
    """

    item: int
    centre: float
    width: float

    def line(self, slope: Floats, difficulty: Floats, ability: Floats) -> tuple[Floats, Floats]:
        """Intercept and slope of index = a + b θ, given (K, …) slopes and difficulties and (U, …) abilities."""
        del ability
        unit = self.width * slope[self.item]
        return self.centre - unit * difficulty[self.item], unit


Scale = ByAnchors | ByIndexItem
