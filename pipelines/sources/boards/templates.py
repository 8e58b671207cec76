"""How a declaration makes texts of cells, and what a row states beside scores: facts, prices, measurements."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS
from warehouse.contracts.prices import ACCELERATOR_PRICES, API_PRICES, ELECTRICITY_PRICES
from warehouse.contracts.table import Table

PRICE_TABLES = {table.name: table for table in (ACCELERATOR_PRICES, API_PRICES, ELECTRICITY_PRICES)}
"""Tables of prices that declared sources fill, beside what is bundled."""
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class Strict(BaseModel):
    """Part of a declaration; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Template(Strict):
    """How a text is made from the cells of a row.

    Attributes:
        text: Text in which `{column}` stands for a cell; several: the first that says something.
        pattern: Regular expression; its first group is taken, and nothing where it does not match.
        every: Whether all that matches is taken instead, with a blank between.
        map: Spelling → what it means; other spellings say nothing unless `other` says what they mean.
        other: What spellings outside `map` mean; `{}` stands for the spelling itself.
    """

    text: tuple[str, ...] = Field(min_length=1)
    pattern: str | None = None
    every: bool = False
    map: dict[str, str] = Field(default_factory=dict)
    other: str | None = None

    @field_validator("text", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_matches(self) -> "Template":
        if self.every and self.pattern is None:
            raise ValueError("every is of what a pattern matches; give the pattern")
        return self

    @property
    def columns(self) -> set[str]:
        """Columns it reads."""
        return {name for text in self.text for name in PLACEHOLDER.findall(text)}


def _as_template(value: object) -> object:
    """A bare text, number or truth value stands for a `Template` of just that."""
    if isinstance(value, bool):
        return {"text": str(value).lower()}
    if isinstance(value, list):
        return {"text": value}
    return {"text": str(value)} if isinstance(value, str | int | float) else value


Text = Annotated[Template, BeforeValidator(_as_template)]


class Facts(Strict):
    """What a row states about a model, beyond scores; columns of `core.model_facts`."""

    display_name: Text | None = None
    organization: Text | None = None
    family: Text | None = None
    release_date: Text | None = None
    knowledge_cutoff: Text | None = None
    context_tokens: Text | None = None
    output_tokens: Text | None = None
    model_licence: Text | None = None
    is_open_weights: Text | None = None
    is_reasoning: Text | None = None
    weights_url: Text | None = None


class Prices(Strict):
    """What a row states as a price.

    Attributes:
        table: Table of prices that it is a row of.
        columns: Column of that table → what the row says of it.
        factors: Column → by what its number is multiplied, such as an exchange rate.
    """

    table: Literal["accelerator_prices", "api_prices", "electricity_prices"]
    columns: dict[str, Text]
    factors: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _require_columns(self) -> "Prices":
        require_columns(PRICE_TABLES[self.table], {*self.columns, *self.factors})
        return self


class Measured(Strict):
    """One quantity that a row states as measured.

    Attributes:
        columns: Column of `core.end_to_end_measurements` → what the row says of it.
        factors: Column → by what its number is multiplied, such as 0.001 for a value in milliseconds.
        in_columns: Regular expression of the names of columns that hold one measurement each; then `{column}` stands
            for such a name and `{{column}}` for its cell.
        per_device: Whether the value is that of one of the devices, so that all together make so many times as much.
        only_rows: Column → regular expression that a row must match to state it.
    """

    columns: dict[str, Text]
    factors: dict[str, float] = Field(default_factory=dict)
    in_columns: str | None = None
    per_device: bool = False
    only_rows: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _require_columns(self) -> "Measured":
        require_columns(END_TO_END_MEASUREMENTS, {*self.columns, *self.factors})
        return self


def require_columns(table: Table, names: set[str]) -> None:
    """Make sure that a table has columns of these names.

    Raises:
        ValueError: it has not; the message names them.
    """
    columns = set(table.column_names)
    if wrong := sorted(names - columns):
        raise ValueError(f"{table.name} has no columns {wrong}; it has {sorted(columns)}")
