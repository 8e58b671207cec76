"""Calibrations as files: those that ship in reference/calibrations, and how a set of them is written and read.

One JSON per measured accelerator: which device its kernels were measured on, where they are from, the command that
makes the file, and one calibration per operator class with its held-out errors inside.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from profiling import reference_files
from profiling.calibration.calibrate import Calibration

FOLDER = reference_files.FOLDER / "calibrations"
COMMAND = "skyline profile calibrate --kernels FOLDER --save profiling/reference/calibrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSet:
    """Calibrations of one folder of kernel tables.

    Attributes:
        accelerator: Name of the folder, as `h200_sxm`.
        device: The same accelerator's name in reference/accelerators.csv.
        source: Where the kernels are from.
        framework: Software that was measured, with its version.
        calibrations: One per operator class; in the file under the name of the device.
    """

    accelerator: str
    device: str
    source: str
    framework: str
    calibrations: tuple[Calibration, ...]

    def to_json(self) -> str:
        """The file's content, one calibration per line."""
        head = {
            "accelerator": self.accelerator,
            "device": self.device,
            "source": self.source,
            "framework": self.framework,
            "made_by": COMMAND,
        }
        lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        rows = [replace(calibration, accelerator=self.device).to_dict() for calibration in self.calibrations]
        items = ",\n  ".join(json.dumps(row, allow_nan=False) for row in rows)
        lines.append(f' "calibrations": [\n  {items}\n ]')
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> CalibrationSet:
        """The inverse of `to_json`."""
        document = json.loads(text)
        return cls(
            accelerator=document["accelerator"],
            device=document["device"],
            source=document["source"],
            framework=document["framework"],
            calibrations=tuple(Calibration.from_dict(row) for row in document["calibrations"]),
        )


@cache
def shipped() -> tuple[CalibrationSet, ...]:
    """The calibrations that ship, by name of the folder they were fitted from."""
    return tuple(CalibrationSet.from_json(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json")))


def by_device(sets: Sequence[CalibrationSet]) -> dict[str, tuple[Calibration, ...]]:
    """Calibrations by the name of the accelerator in reference/accelerators.csv; of several sets the last holds."""
    return {calibration_set.device: calibration_set.calibrations for calibration_set in sets}
