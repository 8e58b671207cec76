"""Loss per token, as Δ ln perplexity or as mean KL divergence in nats, fitted to measured pairs of both.

ln Δ is linear in the bits of the layers with knees at 3, 4.2 and 6 bits, in ln P, and in effects of the recipe, of the
Llama-3 family and of mixtures; KL divergence shares all of these and has differences of its own, shrunk towards none.
A random effect per model keeps one much measured model from speaking for all. Robust ridge regression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.quantisation.recipes import RECIPES

Array = NDArray[np.float64]

METRICS = ("perplexity_ratio", "mean_kld")
LEAST_NATS = 0.0008
"""Smaller losses are within the rounding and the noise of their tables."""

_MODEL_SPREAD = 0.4
_ROW_SPREAD = 0.25
_COMMON = ("mixed_uninformed", "legacy", "trellis", "codebook", "calibrated", "dynamic", "autoround", "tuned_mixed")
"""Recipes with an effect against GGUF with an importance matrix; rows of others do not exist."""

_FREE, _KNEE, _SIZE, _FAMILY, _MIXTURE, _KLD, _KLD_BITS, _KLD_OTHER, _RECIPE = (
    1e3,
    0.6,
    0.3,
    1.0,
    0.5,
    0.5,
    0.2,
    0.5,
    0.6,
)


@dataclass(frozen=True, slots=True)
class TokensFit:
    """Effects on ln Δ."""

    effects: Array

    def nats(self, frame: pl.DataFrame) -> Array:
        """Δ in nats per token for each row.

        Args:
            frame: Columns `metric`, `layer_bits`, `effective_b`, `is_mixture`, `is_llama_3` and `recipe`.
        """
        return np.asarray(np.exp(_features(frame) @ self.effects))


def usable(measurements: pl.DataFrame) -> pl.DataFrame:
    """The rows that the fit rests on: both metrics of quantised weights with a whole cache, losses above rounding."""
    return measurements.filter(
        pl.col("use_in_fits").eq("yes")
        & pl.col("metric").is_in(METRICS)
        & pl.col("kv_format").eq("f16")
        & pl.col("layer_bits").lt(9.5)
        & pl.col("recipe").is_not_null()
        & pl.col("delta").gt(LEAST_NATS)
    )


def fit_tokens(rows: pl.DataFrame) -> TokensFit:
    """The fit to rows of `usable`.

    Raises:
        ValueError: There are no rows.
    """
    if rows.is_empty():
        raise ValueError("no measured losses to fit")
    features = _features(rows)
    models = rows["model"].to_numpy()
    of_model = (models[:, None] == np.unique(models)[None, :]) * _MODEL_SPREAD
    both = np.concatenate([features, of_model], axis=1)
    shrink = np.append(1 / _spreads(), np.ones(of_model.shape[1]))
    measured = np.log(rows["delta"].to_numpy())
    weight = np.ones(rows.height)
    effects = np.zeros(both.shape[1])
    for _ in range(20):
        normal = both.T @ (both * weight[:, None]) / _ROW_SPREAD**2 + np.diag(shrink**2)
        effects = np.linalg.solve(normal, both.T @ (weight * measured) / _ROW_SPREAD**2)
        weight = 1 / np.sqrt(1 + ((measured - both @ effects) / _ROW_SPREAD) ** 2)
    return TokensFit(effects[: features.shape[1]])


def _features(frame: pl.DataFrame) -> Array:
    bits = frame["layer_bits"].to_numpy()
    size = np.log(frame["effective_b"].to_numpy() / 8)
    family = frame["is_llama_3"].to_numpy().astype(float)
    mixture = frame["is_mixture"].to_numpy().astype(float)
    kld = (frame["metric"] == "mean_kld").to_numpy().astype(float)
    columns = [
        np.ones(frame.height), bits - 4, np.maximum(0, 3 - bits), np.maximum(0, bits - 4.2), np.maximum(0, bits - 6),
        size, family, mixture, kld, kld * (bits - 4), kld * family, kld * mixture,
    ]  # fmt: skip
    for recipe in _COMMON:
        of_recipe = (frame["recipe"] == recipe).fill_null(value=False).to_numpy().astype(float)
        columns += [of_recipe, of_recipe * kld]
    return np.stack(columns, axis=1)


def _spreads() -> Array:
    basic = [_FREE, _FREE, _KNEE, _KNEE, _KNEE, _SIZE, _FAMILY, _MIXTURE, _KLD, _KLD_BITS, _KLD_OTHER, _KLD_OTHER]
    return np.array([*basic, *([_RECIPE] * 2 * len(_COMMON))])


assert set(_COMMON) <= set(RECIPES)  # noqa: S101 - a name that is no recipe would silently have no rows
