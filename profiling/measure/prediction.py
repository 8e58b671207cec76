"""What a point should take by the ceilings measured on the same device: the bare bound, and times from its tables.

Ceilings alone are bounds. What predicts is how fast products of few rows, attention of a given length and small
element-by-element work run on this device; the tables of `ceilings` hold that. Operations and bytes are those of
`profiling.roofline.operators`, which needs numpy; without it they are null, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.models.families.traits import form_of
from profiling.models.sources import from_config

_NO_NUMPY = "numpy is not installed, which counts operations"
# Bits of weights, and of activations and cache; `quantised` has the same table but loads torch.
_BITS = {
    "float32": (32, 32),
    "bfloat16": (16, 16),
    "float16": (16, 16),
    "int8": (8, 16),
    "int8_emulated": (8, 16),
    "fp8": (8, 16),
}


class CannotPredict(ProfilingError):
    """The ceilings do not hold what a prediction of this point needs."""


def operators_of(point: Mapping[str, Any], architecture: Architecture) -> list[Any]:
    """Operators of a step of the point, as the performance model counts them.

    Raises:
        CannotPredict: numpy is not installed.
    """
    try:
        from profiling.roofline.operators import operators  # noqa: PLC0415 - needs numpy, which a bare node may lack
        from profiling.roofline.workload import Precision, Workload  # noqa: PLC0415
    except ImportError as error:
        raise CannotPredict(_NO_NUMPY) from error
    weight, other = _BITS[str(point["precision"])]
    precision = Precision(weight_bits=weight, activation_bits=other, kv_bits=other, embedding_bits=other)
    workload = Workload(
        stage=point["stage"], batch=int(point["batch"]), context=int(point["context"]), precision=precision
    )
    return operators(architecture, workload)


def work_of(point: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """`flops` and bytes by class of a step; null with the reason where they cannot be counted."""
    names = ("flops", "weight_read_bytes", "kv_moved_bytes", "activation_moved_bytes")
    try:
        operators = operators_of(point, from_config(config, str(point["model"])))
    except ProfilingError as error:
        return dict.fromkeys(names) | {"flops_why": str(error)}
    totals = dict.fromkeys(names, 0.0)
    for operator in operators:
        parts = (
            operator.flops, operator.weight_bytes, operator.kv_read_bytes + operator.kv_write_bytes,
            operator.activation_read_bytes + operator.activation_write_bytes,
        )  # fmt: skip
        for name, part in zip(names, parts, strict=True):
            totals[name] += operator.count * float(part)
    return dict(totals)


def memory_of(point: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, float]:
    """Bytes that the point will need: weights, cache, and the widest moment of a layer (an estimate).

    Raises:
        UnsupportedModelType, InvalidConfig: The model cannot be counted.
    """
    model = from_config(config, str(point["model"]))
    weight_bits, bits = _BITS[str(point["precision"])]
    head = model.parameters_embedding
    weights = (model.parameters_total - head) * weight_bits / 8 + head * bits / 8
    batch, context = int(point["batch"]), int(point["context"])
    tokens = batch * (1 if point["stage"] == "decode" else context)
    cache = 0.0 if point["stage"] == "encode" else batch * context * model.kv_bytes_per_token(bits)
    widest = max(
        (
            step.width_out
            for _, step in model.counted_steps()
            if hasattr(step, "width_out") and not getattr(step, "is_head", False)
        ),
        default=0,
    )
    # Residual, norm, and the gate, up and product of the feed-forward block live at once.
    activations = tokens * (2 * model.hidden_size + 3 * widest) * bits / 8 + batch * model.vocabulary_size * bits / 8
    return {
        "predicted_weights_bytes": weights,
        "predicted_cache_bytes": cache,
        "predicted_peak_bytes": weights + cache + activations,
    }


def _interpolated(table: Sequence[tuple[float, float]], at: float) -> float:
    """Logarithm against logarithm between the points of a table; its ends hold beyond them."""
    if at <= table[0][0]:
        return table[0][1]
    for (low, first), (high, second) in pairwise(table):
        if at <= high:
            share = math.log(at / low) / math.log(high / low)
            return math.exp((1 - share) * math.log(first) + share * math.log(second))
    return table[-1][1]


@dataclass(frozen=True)
class Ceilings:
    """Measured tables of one device and number format; `clock` names the column: `time_s` or `processor_s`."""

    rows: tuple[Mapping[str, Any], ...]
    precision: str
    clock: str = "time_s"
    _cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        """Rows of a kind, in this precision where the kind has one, with a time on this clock."""
        return [
            row
            for row in self.rows
            if row["kind"] == kind and row.get("precision") in {None, self.precision} and row.get(self.clock)
        ]

    def needed(self, kind: str) -> list[Mapping[str, Any]]:
        """The same.

        Raises:
            CannotPredict: There are none.
        """
        ceiling = self.of(kind)
        if not ceiling:
            raise CannotPredict(f"the ceilings hold no {kind} in {self.precision}; measure them with calibrate")
        return ceiling

    def flops_per_s(self) -> float:
        """The fastest product."""
        return max(2.0 * float(row["m"] * row["n"] * row["k"]) / float(row[self.clock]) for row in self.needed("gemm"))

    def bytes_per_s(self) -> float:
        """Reading a buffer much larger than the cache."""
        return max(float(row["bytes"]) / float(row[self.clock]) for row in self.needed("read"))

    def product_s(self, m: float, n: float, k: float) -> float:
        """A product of m rows, by the time per weight of measured ones, between sizes and rows."""
        tables: dict[float, list[tuple[float, float]]] = self._cached("gemm", self._products)
        work = n * k
        per_weight = [(rows, _interpolated(table, work)) for rows, table in sorted(tables.items())]
        largest = per_weight[-1][0]
        return work * _interpolated(per_weight, m) * max(1.0, m / largest)

    def _products(self) -> dict[float, list[tuple[float, float]]]:
        rates: dict[float, dict[float, list[float]]] = {}
        for row in self.needed("gemm"):
            size = float(row["n"] * row["k"])
            rates.setdefault(float(row["m"]), {}).setdefault(size, []).append(row[self.clock] / size)
        return {m: [(size, sum(v) / len(v)) for size, v in sorted(sizes.items())] for m, sizes in rates.items()}

    def attention_s(self, stage: str, pairs: float, width: float, context: float) -> float:
        """Attention of that many query-key pairs (heads counted) of that width, at a length."""
        kind = "decode_attention" if stage == "decode" else "prefill_attention"
        table = self._cached(kind, lambda: _means(
            (float(row["context"]), row[self.clock] / (row["pairs"] * row["head_dim"])) for row in self.needed(kind)
        ))  # fmt: skip
        return pairs * width * _interpolated(table, context)

    def elementwise_s(self, operation: str, elements: float) -> float:
        """Element-by-element work, in proportion beyond the largest measured."""
        rows = [row for row in self.needed("elementwise") if row["operation"] == operation]
        if not rows:
            raise CannotPredict(f"the ceilings hold no elementwise {operation}")
        table: list[tuple[float, float]] = self._cached(
            f"elementwise {operation}", lambda: _means((float(r["elements"]), r[self.clock]) for r in rows)
        )
        return _interpolated(table, elements) * max(1.0, elements / table[-1][0])

    def _cached(self, name: str, make: Any) -> Any:
        if name not in self._cache:
            self._cache[name] = make()
        return self._cache[name]


def _means(pairs: Any) -> list[tuple[float, float]]:
    values_at: dict[float, list[float]] = {}
    for at, value in pairs:
        values_at.setdefault(at, []).append(value)
    return [(at, sum(values) / len(values)) for at, values in sorted(values_at.items())]


def predict(point: Mapping[str, Any], config: Mapping[str, Any], ceilings: Ceilings) -> dict[str, float]:
    """`bound_s` by the two ceilings, and `uncorrected_s` by the tables, operator after operator.

    Raises:
        CannotPredict: A table is missing, numpy is, or the point is emulated.
        UnsupportedModelType, InvalidConfig: The model cannot be counted.
    """
    if point["precision"] == "int8_emulated":
        raise CannotPredict("emulated formats are not predicted")
    architecture = from_config(config, str(point["model"]))
    peak, bandwidth = ceilings.flops_per_s(), ceilings.bytes_per_s()
    bound = total = 0.0
    for operator in operators_of(point, architecture):
        moved = float(operator.weight_bytes + operator.kv_read_bytes)
        bound += operator.count * max(float(operator.flops) / peak, moved / bandwidth)
        total += operator.count * _operator_s(operator, point, ceilings, architecture)
    return {"bound_s": bound, "uncorrected_s": total}


def _operator_s(operator: Any, point: Mapping[str, Any], ceilings: Ceilings, model: Architecture) -> float:
    shape = {name: float(value) for name, value in operator.shape.items()}
    kind = operator.operator_class
    if kind == "gemm":
        return ceilings.product_s(shape["m"], shape["n"], shape["k"])
    if kind == "expert_gemm":
        rows = max(1.0, shape["m"] / shape["experts"])
        width, hidden = shape["n"], shape["k"]
        return shape["experts"] * (
            ceilings.product_s(rows, 2 * width, hidden) + ceilings.product_s(rows, hidden, width)
        )
    if kind in {"prefill_attention", "decode_attention"}:
        width = shape["head_dim"] + shape["value_dim"]
        return ceilings.attention_s(str(point["stage"]), float(operator.flops) / (2 * width), width, shape["keys"])
    if kind == "lookup":
        return ceilings.elementwise_s("lookup", shape["rows"] * shape["width"])
    return ceilings.elementwise_s(_operation(operator, model), shape["rows"] * shape["width"])


def _operation(operator: Any, model: Architecture) -> str:
    """Which measured element-by-element work an operator is like."""
    if operator.name.endswith("norm"):
        form = form_of(model.model_type)
        return "layer_norm" if form is not None and form.norm == "layer" else "rms_norm"
    if operator.name.endswith("rotary"):
        return "rotary"
    if operator.name.endswith("activation"):
        return "gated_activation" if len(operator.inputs) > 1 else "activation"
    return "add"
