"""Measured losses of quantisation that ship with the package, and the model fitted to them."""

import io
from functools import cache
from importlib.resources import files

import polars as pl

from analytics.quantisation.loss import LossModel
from warehouse.contracts.quantisation import QUANTISATION_MEASUREMENTS


def quantisation_measurements() -> pl.DataFrame:
    """The rows of reference/quantisation_measurements.csv, in the columns of `core.quantisation_measurements`."""
    text = files("warehouse").joinpath("reference/quantisation_measurements.csv").read_bytes()
    return QUANTISATION_MEASUREMENTS.conform(pl.read_csv(io.BytesIO(text), infer_schema=False))


@cache
def loss_model() -> LossModel:
    """The model of the measurements that ship; takes 0.6 s once."""
    return LossModel.of(quantisation_measurements())
