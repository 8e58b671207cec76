"""What predictions must keep: the gates that `skyline accuracy --gates` fails at, on a fit made anew from the rows."""

from collections.abc import Iterator, Mapping

import polars as pl

from pipelines.defs.accuracy.tables import Accuracy
from profiling.engines.fit import Parameters
from profiling.engines.time import COMMAND, EngineTimes, Residuals

LARGEST_HELD_OUT_PCT: Mapping[str, float] = {
    "decode": 14.0, "prefill": 28.0, "time per token under load": 25.0, "throughput": 25.0,
    "first token under load": 40.0,
}  # fmt: skip
"""Median error by stage that a fit may have on devices and on models it has not seen."""
INSIDE_PCT = (75.0, 86.0)
"""Share of rows left out that must lie in the interval which the other folds alone give: it says 80. The least holds at
every stage, the most where an error is promised."""
ENGINE_INSIDE_PCT = (70.0, 92.0)
"""The same, of each engine at each stage, by rows or by devices (or models) that count once each: of nine models two
may have most rows. An interval that is a little too wide breaks no promise."""
SHIPPED_LEAST_PCT, SHIPPED_ROWS = 70.0, 20
"""Share that the interval which ships must hold of what was left out of the fit, of each engine with so many rows; of
few devices it holds more, as the next may differ from them."""
ENOUGH_ROWS, ENOUGH_UNITS = 100, 6
"""Rows of an engine at a stage, and devices or models that they are of, from which on its intervals are held to that:
rows of one device are right or wrong together, so that with few of them each moves the share inside by far more."""
FEW_UNITS = 5
"""Devices, or models, below which an engine has few at a stage. Each is right or wrong with all of its rows, so that
the share of rows says little of a single engine; of all such engines together, each device counted once, it is held
to `INSIDE_PCT`, and so is that of the engines with more."""
LEAST_INSIDE_PCT = 75.0
"""Share of all measurements that must lie in the printed interval."""
FEWEST_ROWS = 30
_SAME, _SAME_PCT = 0.01, 0.2
"""How far effects (as logarithms) and errors (in points) of a fit made anew may lie from those that ship: solvers of
linear equations round differently."""


def broken(result: Accuracy, refitted: EngineTimes, shipped: EngineTimes) -> list[str]:
    """The gates that do not hold, in words.

    Args:
        result: The rows with what is predicted for them.
        refitted: Engines fitted to the same rows just now, each device and each model left out in turn.
        shipped: Engines that predictions rest on.
    """
    failures = [
        *_held_out_failures(refitted.errors),
        *_unit_failures(refitted.errors),
        *_fit_differences(refitted, shipped),
    ]
    table = result.comparison.table().filter(pl.col("asked") >= FEWEST_ROWS)
    failures += [
        f"{row['stage']}: {row['inside_pct']:.0f} % inside the 80 % interval"
        for row in table.iter_rows(named=True) if row["inside_pct"] < LEAST_INSIDE_PCT
    ]  # fmt: skip
    failures += [
        f"{row['stage']}: {row['below_bound_pct']:.2f} % of measurements are faster than the bound"
        for row in table.iter_rows(named=True) if row["below_bound_pct"] > 0
    ]  # fmt: skip
    return failures


def _held_out_failures(errors: Mapping[str, Residuals]) -> Iterator[str]:
    for stage, most in LARGEST_HELD_OUT_PCT.items():
        for scope, what in (("class", "devices"), ("device", "models")):
            error = errors.get(f"{stage}|{scope}|")
            if error is None:
                yield f"{stage}: the fit has no error for {what} left out"
                continue
            if error.mdape_pct > most:
                yield f"{stage}: {error.mdape_pct:.1f} % off on {what} left out, at most {most:g} % is promised"
            if error.inside_pct is not None and not INSIDE_PCT[0] <= error.inside_pct <= INSIDE_PCT[1]:
                yield f"{stage}: {error.inside_pct:.0f} % of rows of {what} left out inside the 80 % interval"
    for name, error in errors.items():
        stage, scope, engine, *device_class = name.split("|")
        what, units = ("devices", error.devices) if scope == "class" else ("models", error.models)
        if error.rows >= SHIPPED_ROWS and error.shipped_pct is not None and error.shipped_pct < SHIPPED_LEAST_PCT:
            yield f"{name.replace('|', ', ')}: the interval that ships holds {error.shipped_pct:.0f} %"
        if error.inside_pct is None or device_class:
            continue
        if not engine and stage not in LARGEST_HELD_OUT_PCT and error.inside_pct < INSIDE_PCT[0]:
            yield f"{stage}: {error.inside_pct:.0f} % of rows of {what} left out inside the 80 % interval"
        is_judged = engine and error.rows >= ENOUGH_ROWS and units >= ENOUGH_UNITS
        shares = (error.inside_pct, error.inside_pct if error.by_unit_pct is None else error.by_unit_pct)
        if is_judged and not any(ENGINE_INSIDE_PCT[0] <= share <= ENGINE_INSIDE_PCT[1] for share in shares):
            yield f"{stage} with {engine}: {error.inside_pct:.0f} % of rows of {what} left out inside the 80 % interval"


def inside_by_unit(errors: Mapping[str, Residuals]) -> Mapping[tuple[str, str], float]:
    """Share inside of devices (or models) that count once each, of engines with few of them and of those with more.

    Args:
        errors: As in `EngineTimes`.

    Returns:
        Percent by what was left out and `few` or `more`, of the engines with `SHIPPED_ROWS` rows at a stage.
    """
    of: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for name, error in errors.items():
        _, scope, engine, *device_class = name.split("|")
        if not engine or device_class or error.rows < SHIPPED_ROWS or error.by_unit_pct is None:
            continue
        units = error.devices if scope == "class" else error.models
        key = ("devices" if scope == "class" else "models", "few" if units < FEW_UNITS else "more")
        of.setdefault(key, []).append((units, error.by_unit_pct))
    return {
        key: sum(units * pct for units, pct in each) / sum(units for units, _ in each)
        for key, each in of.items()
    }  # fmt: skip


def _unit_failures(errors: Mapping[str, Residuals]) -> Iterator[str]:
    for (what, number), pct in inside_by_unit(errors).items():
        if not INSIDE_PCT[0] <= pct <= INSIDE_PCT[1]:
            yield f"{pct:.0f} % of {what} left out inside the 80 % interval, of engines with {number} of them"


def _fit_differences(refitted: EngineTimes, shipped: EngineTimes) -> Iterator[str]:
    """What says that the fit that ships is not that of these rows."""
    if refitted.measured != shipped.measured:
        yield "the shipped fit was made from other rows"
        return
    ours, theirs = _flat(refitted.effects), _flat(shipped.effects)
    furthest = max(ours.keys() | theirs.keys(), key=lambda name: abs(ours.get(name, 0.0) - theirs.get(name, 0.0)))
    if abs(ours.get(furthest, 0.0) - theirs.get(furthest, 0.0)) > _SAME:
        yield (
            f"the fit that ships is not what these rows give: {furthest} is {theirs.get(furthest, 0.0):.3f} and would "
            f"be {ours.get(furthest, 0.0):.3f}; made anew by `{COMMAND}`"
        )
    for name, error in refitted.errors.items():
        other = shipped.errors.get(name)
        if other is None or abs(error.mdape_pct - other.mdape_pct) > _SAME_PCT:
            before = "no error" if other is None else f"{other.mdape_pct:.1f} %"
            yield f"{name.replace('|', ', ')}: {before} ships, and these rows give {error.mdape_pct:.1f} %"
            return


def _flat(effects: Parameters) -> dict[str, float]:
    return {
        f"{owner}, {effect}, {group}": value
        for owner, of_owner in effects.items() for effect, groups in of_owner.items() for group, value in groups.items()
    }  # fmt: skip
