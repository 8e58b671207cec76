"""Stored kernel tables: what they hold, and the calibrations fitted to them."""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import polars as pl

import profiling
from pipelines.sources.accounts import account, rejected_file
from pipelines.sources.kernels.recognition import KERNELS
from pipelines.sources.raw_store import RawSnapshot, RawStore
from profiling.calibration.calibrate import Calibration, UnusableKernels, above_roof, bound_s, calibrate, peaks_of
from profiling.calibration.kernels import OPERATOR_CLASSES, KernelTables, UnreadableKernelTable, read_kernels
from profiling.calibration.shipped import CalibrationSet, shipped
from profiling.devices.accelerators import Accelerator, find
from profiling.errors import ProfilingError
from warehouse.contracts.performance import SNAPSHOTS
from warehouse.files import ordinary, write_text
from warehouse.settings import Settings

_BROUGHT = "kernel tables of this warehouse"
# A fit is made again only when its kernels, the code that fits or the libraries it calls have changed.
_FITTING = ("calibration/*.py", "devices/*.py", "reference/accelerators.csv")
_LIBRARIES = ("numpy", "scipy")


@dataclass(frozen=True)
class MeasuredAccelerator:
    """Kernels of one accelerator, those above their roof among them, and the files they are from."""

    accelerator: str
    device: Accelerator
    kernels: pl.DataFrame
    files: tuple[RawSnapshot, ...]


@dataclass
class StoredKernels:
    """What the stored kernel tables hold; tables of the contracts take their columns of it."""

    measured: list[MeasuredAccelerator] = field(default_factory=list)
    snapshots: list[pl.DataFrame] = field(default_factory=list)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    measurements: list[pl.DataFrame] = field(default_factory=list)


def load_kernels(store: RawStore) -> StoredKernels:
    """Read the newest table of every operation of every accelerator that is stored."""
    result = StoredKernels()
    newest = {(each.manifest.subject, each.manifest.layout): each for each in store.snapshots(KERNELS)}
    for accelerator in sorted({subject for subject, _ in newest}):
        files = tuple(file for (subject, _), file in sorted(newest.items()) if subject == accelerator)
        read = list(_read(files, result))
        if not read:
            continue
        kernels = pl.concat([tables.kernels for _, tables in read])
        try:
            device = device_of(str(kernels["device"][0]), accelerator)
        except (ProfilingError, IndexError) as error:
            result.rejected += [rejected_file(file, str(error)) for file, _ in read]
            continue
        result.measured.append(MeasuredAccelerator(accelerator, device, kernels, tuple(file for file, _ in read)))
        for file, tables in read:
            _account(file, tables, device, result)
    return result


def _read(files: Sequence[RawSnapshot], result: StoredKernels) -> Iterator[tuple[RawSnapshot, KernelTables]]:
    for file in files:
        # The reader tells accelerator and operation by names, which stored files do not have.
        with tempfile.TemporaryDirectory() as scratch:
            named = Path(scratch, file.manifest.subject, f"{file.manifest.layout}.parquet")
            named.parent.mkdir()
            named.symlink_to(file.path.resolve())
            try:
                yield file, read_kernels(named.parent)
            except UnreadableKernelTable as error:
                result.rejected.append(rejected_file(file, str(error).replace(str(named), file.manifest.uri)))


def device_of(device: str, folder: str) -> Accelerator:
    """The accelerator that a driver calls so, or else the one the folder is named for.

    Raises:
        UnknownAccelerator: neither names exactly one accelerator of the table.
    """
    try:
        return find(device.removeprefix("NVIDIA ").strip())
    except ProfilingError:
        return find(folder)


def _account(file: RawSnapshot, tables: KernelTables, device: Accelerator, result: StoredKernels) -> None:
    """Sort the rows of a file into measurements and rejected rows."""
    peaks = peaks_of(device)
    above = above_roof(tables.kernels, peaks)
    rejected = pl.concat([tables.rejected, above]).select(
        snapshot_id=pl.lit(file.snapshot_id),
        uri=pl.lit(file.manifest.uri),
        row_number=pl.col("source_row") + 1,
        reason="reason",
        content=pl.lit(None, pl.String),
    )
    sound = tables.kernels.join(above, on="source_row", how="anti")
    rows = pl.concat(
        [
            part.with_columns(bound_s=pl.Series(bound_s(str(name), part, peaks)))
            for (name,), part in sound.group_by("operator_class", maintain_order=True)
        ]
        or [sound.with_columns(bound_s=pl.lit(None, pl.Float64))]
    ).with_columns(snapshot_id=pl.lit(file.snapshot_id), device=pl.lit(device.name), moved_bytes=pl.col("bytes"))
    rows_read = tables.kernels.height + tables.rejected.height
    result.snapshots.append(SNAPSHOTS.frame([account(file, "full", rows_read, rows.height, rejected.height)]))
    result.rejected.append(rejected)
    result.measurements.append(rows)


@dataclass(frozen=True)
class Fitted:
    """Calibrations in use: those that ship, and in their place those fitted here; and what could not be fitted."""

    sets: tuple[tuple[CalibrationSet, str], ...]
    refused: tuple[str, ...] = ()


def calibrations_in_use(settings: Settings) -> Fitted:
    """Calibrations of stored kernel tables, fitted only if that was not done before, and those that ship."""
    chosen = {calibration_set.accelerator: (calibration_set, "shipped") for calibration_set in shipped()}
    refused: list[str] = []
    for measured in load_kernels(RawStore(settings.raw)).measured:
        cached = settings.lake.folder / "calibrations" / f"{measured.accelerator}-{_digest(measured)[:16]}.json"
        fitted = _cached_set(cached)
        if fitted is None:
            fitted = _fit(measured, refused)
            write_text(cached, fitted.to_json())
        if fitted.calibrations:
            chosen[measured.accelerator] = fitted, "this warehouse"
    return Fitted(tuple(chosen.values()), tuple(refused))


def _cached_set(cached: Path) -> CalibrationSet | None:
    """A set that was fitted before; None where it is lost or damaged."""
    try:
        return CalibrationSet.from_json(ordinary(cached).read_text("utf-8"))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _fit(measured: MeasuredAccelerator, refused: list[str]) -> CalibrationSet:
    peaks = peaks_of(measured.device)
    fitted: list[Calibration] = []
    for operator_class in OPERATOR_CLASSES:
        part = measured.kernels.filter(pl.col("operator_class") == operator_class)
        try:
            fitted += calibrate(part, peaks) if part.height else []
        except UnusableKernels as error:
            refused.append(str(error))
    return calibration_set(measured.accelerator, measured.device, measured.kernels, fitted, _BROUGHT)


def calibration_set(
    accelerator: str,
    device: Accelerator,
    kernels: pl.DataFrame,
    calibrations: Sequence[Calibration],
    source: str,
) -> CalibrationSet:
    """Calibrations with what must be said of them."""
    frameworks = kernels.select(pl.concat_str("framework", "framework_version", separator=" ").unique().sort())
    return CalibrationSet(
        accelerator=accelerator,
        device=device.name,
        source=source,
        framework=", ".join(frameworks.to_series()),
        calibrations=tuple(calibrations),
    )


def _digest(measured: MeasuredAccelerator) -> str:
    total = hashlib.sha256("".join(sorted(file.sha256 for file in measured.files)).encode())
    root = Path(profiling.__file__).parent
    for pattern in _FITTING:
        for path in sorted(root.glob(pattern)):
            total.update(path.read_bytes())
    for library in _LIBRARIES:
        total.update(f"{library}=={metadata.version(library)}".encode())
    return total.hexdigest()
