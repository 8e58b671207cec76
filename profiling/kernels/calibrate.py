"""Surfaces fitted to kernels of engines, with the error on shapes never seen and on devices never seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiling.kernels.read import Array, Measured
from profiling.kernels.surface import Surface, fit_surface

FOLDS, FEWEST_KERNELS, FEWEST_GROUPS = 5, 30, 5
MOST_KERNELS = 8000
"""Kernels of a variant that a surface is fitted to and tested on; beyond it a sample, always the same."""
_SEED = 20240607


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSurface:
    """The surface of one variant of a kind of kernels, by one engine on one device.

    Errors are of kernels whose shapes no fold's fit had seen, in percent of the measured time; the interval is that of
    the same kernels (tenth and ninetieth percentile of measured over predicted), and `inside_pct` the share of each
    fold's kernels in the interval of the other folds.
    """

    device: str
    engine: str
    version: str
    kind: str
    variant: str
    kernels: int
    shapes: int
    mean_error_pct: float
    median_error_pct: float
    low: float
    high: float
    inside_pct: float
    surface: Surface
    measured_shapes: tuple[tuple[float, ...], ...] = ()
    """Of experts: hidden size, width, experts held and chosen of every weight geometry that was measured."""

    @property
    def format(self) -> str:
        """The number format, where the variant begins with one."""
        return self.variant.split("|", maxsplit=1)[0]


def calibrate_kernels(measured: Measured) -> KernelSurface | None:
    """The surface of a variant; None where there are too few kernels or shapes to hold some out."""
    rows = _sample(measured)
    groups = rows.groups()
    shapes = int(groups.max()) + 1 if len(groups) else 0
    if len(groups) < FEWEST_KERNELS or shapes < FEWEST_GROUPS:
        return None
    fold = np.random.default_rng(_SEED).permutation(shapes)[groups] % FOLDS
    predicted = np.empty(len(groups))
    for each in range(FOLDS):
        surface = _fit(rows.some(fold != each))
        predicted[fold == each] = predict_s(surface, rows.some(fold == each))
    ratio = rows.measured_s / predicted
    errors = 100 * np.abs(1 / ratio - 1)
    low, high = np.quantile(ratio, (0.1, 0.9))
    return KernelSurface(
        device=measured.device.name, engine=measured.engine, version=measured.version, kind=measured.kind.name,
        variant=measured.variant, kernels=len(measured.measured_s), shapes=shapes,
        mean_error_pct=round(float(errors.mean()), 2), median_error_pct=round(float(np.median(errors)), 2),
        low=round(float(low), 3), high=round(float(high), 3), inside_pct=round(_inside_pct(ratio, fold), 1),
        surface=_fit(rows), measured_shapes=shapes_of(measured) if measured.kind.name == "experts" else (),
    )  # fmt: skip


def shapes_of(measured: Measured) -> tuple[tuple[float, ...], ...]:
    """The sizes that are held out together, of every group once."""
    names = list(measured.kind.sizes)
    columns = measured.sizes[:, [names.index(name) for name in measured.kind.held_out]]
    return tuple(tuple(map(float, row)) for row in np.unique(columns, axis=0))


def predict_s(surface: Surface, rows: Measured) -> Array:
    """Seconds of kernels by a surface, with the peaks of their own device."""
    return surface.seconds(rows.compute_s, rows.memory_s, np.log2(rows.sizes))


def _fit(rows: Measured) -> Surface:
    return fit_surface(rows.compute_s, rows.memory_s, np.log2(rows.sizes), rows.measured_s, switches=rows.kind.switches)


def _sample(measured: Measured) -> Measured:
    number = len(measured.measured_s)
    if number <= MOST_KERNELS:
        return measured
    return measured.some(np.sort(np.random.default_rng(_SEED).permutation(number)[:MOST_KERNELS]))


def _inside_pct(ratio: Array, fold: npt.NDArray[np.int64]) -> float:
    inside = 0
    for each in range(FOLDS):
        low, high = np.quantile(ratio[fold != each], (0.1, 0.9))
        own = ratio[fold == each]
        inside += int(((own >= low) & (own <= high)).sum())
    return 100 * inside / len(ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How far surfaces of other devices are off on a device whose kernels they never saw."""

    device: str
    devices: tuple[str, ...]
    """Those whose surfaces predict, each weighing the same in the logarithm."""
    engine: str
    kind: str
    kernels: int
    mean_error_pct: float
    median_error_pct: float


def transfer(kernels: Iterable[Measured], known: Sequence[KernelSurface], sources: Sequence[str]) -> Iterator[Transfer]:
    """Errors by engine and kind of predicting a device's kernels by the surfaces of others.

    A variant is predicted by the same variant of the same engine, else by the one of the same format with most kernels.
    Kernels of variants that no source has are not counted.
    """
    errors: dict[tuple[str, str, str], list[Array]] = {}
    for measured in kernels:
        rows = _sample(measured)
        candidates = [transfer for source in sources if (transfer := _nearest(known, source, measured)) is not None]
        if not candidates:
            continue
        logs = [np.log(predict_s(transfer.surface, rows)) for transfer in candidates]
        predicted = np.exp(np.mean(logs, axis=0))
        key = (measured.device.name, measured.engine, measured.kind.name)
        errors.setdefault(key, []).append(100 * np.abs(predicted / rows.measured_s - 1))
    for (device, engine, kind), parts in errors.items():
        all_ = np.concatenate(parts)
        yield Transfer(
            device=device, devices=tuple(sources), engine=engine, kind=kind, kernels=len(all_),
            mean_error_pct=round(float(all_.mean()), 2), median_error_pct=round(float(np.median(all_)), 2),
        )  # fmt: skip


def _nearest(known: Sequence[KernelSurface], device: str, measured: Measured) -> KernelSurface | None:
    own = [
        surface for surface in known
        if (surface.device, surface.engine, surface.kind) == (device, measured.engine, measured.kind.name)
    ]  # fmt: skip
    same = [surface for surface in own if surface.variant == measured.variant]
    alike = [surface for surface in own if surface.format == measured.variant.split("|", maxsplit=1)[0]]
    return max(same or alike, key=lambda surface: surface.kernels, default=None)
