"""Measured losses of quantisation that ship with the package, and the model fitted to them."""

import io
from importlib.resources import files

import polars as pl

from warehouse.contracts.quantisation import QUANTISATION_MEASUREMENTS


def quantisation_measurements() -> pl.DataFrame:
    """The rows of reference/quantisation_measurements.csv, in the columns of `core.quantisation_measurements`."""
    text = files("warehouse").joinpath("reference/quantisation_measurements.csv").read_bytes()
    return QUANTISATION_MEASUREMENTS.conform(pl.read_csv(io.BytesIO(text), infer_schema=False))
