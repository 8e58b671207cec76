"""What can be put on an axis, shown by colour or size, or stood in a column: names, labels, units."""

from dataclasses import dataclass

from dashboards.parts import formats


@dataclass(frozen=True)
class Measure:
    """A number or date of an entry.

    Attributes:
        name: Column.
        label: For reading.
        unit: As printed; empty where there is none.
        logarithmic: Whether a logarithmic axis is the natural one.
        is_date: Whether it is a date.
    """

    name: str
    label: str
    unit: str = ""
    logarithmic: bool = False
    is_date: bool = False

    @property
    def title(self) -> str:
        """Label and unit, as on an axis."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Kind:
    """A property of an entry with few values."""

    name: str
    label: str


AVERAGE = Measure("average", "Average", "points")
SIZE = Measure("size_gib", "Size", "GiB", logarithmic=True)
_CARBON = Measure("evaluation_co2_kg", "CO₂ of the evaluation", "kg", logarithmic=True)
_MEASURES = (
    AVERAGE,
    Measure("average_standard_error", "Standard error of the average", "points"),
    SIZE,
    Measure("parameters_billion", "Parameters", "billion", logarithmic=True),
    Measure("active_parameters_billion", "Active parameters", "billion", logarithmic=True),
    _CARBON,
    Measure("hub_likes", "Likes on the hub", "likes", logarithmic=True),
    Measure("size_adjusted_residual", "Average above expectation for its size", "points"),
    Measure("score_per_gib", "Average per GiB", "points / GiB", logarithmic=True),
    Measure("submitted_on", "Submission date", is_date=True),
    Measure("uploaded_on", "Upload date", is_date=True),
)
GENERAL = frozenset(measure.name for measure in _MEASURES)
KINDS = (
    Kind("model_type", "Type"),
    Kind("precision", "Precision"),
    Kind("family", "Family"),
    Kind("architecture", "Architecture"),
    Kind("licence", "Licence"),
    Kind("is_merged", "Merged"),
    Kind("is_moe", "Mixture of experts"),
    Kind("whose", "Whose"),
)


@dataclass(frozen=True)
class Cost:
    """What is minimised.

    Attributes:
        measure: The measure that shows it.
        scale: Turns the stored value into the measure's unit.
        also: A second measure minimised with it; the front is then a surface, of which one side is drawn.
    """

    measure: Measure
    scale: float = 1.0
    also: Measure | None = None

    @property
    def name_in_text(self) -> str:
        """What is minimised, for a heading or a sentence."""
        return self.measure.label if self.also is None else f"{self.measure.label} and {self.also.label}"

    @property
    def title(self) -> str:
        """What is minimised, for a choice."""
        return self.measure.title if self.also is None else self.name_in_text


COSTS = {
    "size_gib": Cost(SIZE),
    "parameters_total": Cost(Measure("parameters_billion", "Parameters", "billion", logarithmic=True), 1e-9),
    "evaluation_co2_kg": Cost(_CARBON),
    "size_gib_and_evaluation_co2_kg": Cost(SIZE, also=_CARBON),
}


def measures(benchmarks: list[str], *, raw: bool = False) -> dict[str, Measure]:
    """Measures of a board by column name: the general ones, and one per benchmark."""
    unit = "% before normalisation" if raw else "points"
    measures_by_name = {AVERAGE.name: AVERAGE} | {name: Measure(name, name, unit) for name in benchmarks}
    return measures_by_name | {measure.name: measure for measure in _MEASURES}


def slug(text: str) -> str:
    """A name in small letters, digits and underscores, as names of objectives spell it."""
    return "_".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def kind_value(item: object) -> str:
    """A value of a kind, for reading."""
    return formats.label(formats.value(item)) if item is not None else "unknown"
