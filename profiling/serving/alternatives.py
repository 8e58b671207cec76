"""Plans as rows, each with what the same tokens cost from those who host the model: buy or serve it yourself."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import polars as pl

from analytics.units import JOULES_PER_KWH
from profiling.answers.buying import Comparison, Way, compare
from profiling.answers.commands import commands
from profiling.answers.door import Door
from profiling.answers.energy import Spread, TokenEnergy, counted_w, energy_per_token
from profiling.serving.evidence import NO_ROW, evidence_of, notes_of
from profiling.serving.plan import Plan, Promise, resolved_as
from profiling.serving.replica import LONG_REQUEST, Options


def plan_rows(door: Door, model: str, promise: Promise, plans: Sequence[Plan], options: Options) -> pl.DataFrame:
    """A row per plan: the answer of `skyline plan`, of `/plan` and of the page Serve.

    Args:
        door: Whose prices.
        model: Its name.
        promise: Whose traffic tells how many input tokens are paid for per output token.
        plans: What was found.
        options: How the model is served.
    """
    rows = []
    for plan in plans:
        based = evidence_of(door.device(plan.accelerator), options.engine)
        bought = comparison(door, model, promise, plan, spot=options.spot)
        run = {"run": started(door, model, promise, plan, options)}
        rows.append({
            **plan.row(), **_energy(energy(door, plan)), **(based.row() if based else NO_ROW), **_columns(bought), **run
        })  # fmt: skip
    # Where every plan keeps the promise nothing says that what breaks it is a word.
    return pl.DataFrame(rows, infer_schema_length=None, schema_overrides={"first_broken": pl.String} if rows else None)


def notes_with(door: Door, plans: Sequence[Plan], options: Options, accelerators: Sequence[str] = ()) -> list[str]:
    """What should be known with plans: what names were taken for, and how far off the first of them may be."""
    first = plans[0]
    return [
        *resolved_as(door, accelerators),
        *notes_of(door.device(first.accelerator), options.engine, groups=any(plan.split.data > 1 for plan in plans)),
    ]


def started(door: Door, model: str, promise: Promise, plan: Plan, options: Options) -> str:
    """The command that starts one replica so.

    Its longest request is `LONG_REQUEST` means long, in whole thousands and at most as long as the model reads.
    """
    architecture, traffic = door.model(model), promise.traffic
    longest = ceil(LONG_REQUEST * (traffic.input_tokens + traffic.output_tokens) / 1024) * 1024
    run, _ = commands(
        architecture, options.weight_format or architecture.published_format.name, options.engine,
        door.device(plan.accelerator), split=plan.split, context=min(longest, architecture.max_position or longest),
        users=plan.replica.sequences, options=options.options,
    )  # fmt: skip
    return run


def energy(door: Door, plan: Plan) -> TokenEnergy | None:
    """Energy per output token under the plan's traffic, its prompts and the time in which nothing runs counted in.

    The high end is at the slow end of step times; a fast end is not simulated, so the low end is only of the draw.
    None where the power of the devices is not published, or nothing is served.
    """
    likely, slow = (plan.replicas * replica.output_tokens_per_s for replica in (plan.served, plan.slow))
    if likely <= 0:
        return None
    rates = Spread(min(slow, likely), likely, likely)
    return energy_per_token(door.device(plan.accelerator), plan.devices, rates, plan.served.running_share)


def energy_note(door: Door, plans: Sequence[Plan]) -> list[str]:
    """What an output token of the first plan takes in energy, and what is counted; nothing where that is not known."""
    use = energy(door, plans[0]) if plans else None
    if use is None:
        return []
    first = f"{plans[0].devices} × {plans[0].accelerator}"
    return [f"Energy on {first}: {use.amounts}. {use.explanation}"]


def _energy(use: TokenEnergy | None) -> dict[str, Any]:
    return {
        "running_share": use.running_share if use else None,
        "kwh_per_million_output_tokens": use.total.likely * 1e6 / JOULES_PER_KWH if use else None,
        "joules_per_output_token": use.devices.likely if use else None,
        "host_joules_per_output_token": use.host.likely if use else None,
        "idle_joules_per_output_token": use.idle.likely if use and use.idle else None,
    }


def comparison(door: Door, model: str, promise: Promise, plan: Plan, *, spot: bool = False) -> Comparison | None:
    """What the tokens of a plan cost from hosts, and rented and owned; None where no host lists the model."""
    traffic = promise.traffic
    api = door.api_price(door.model(model).name, traffic.input_tokens / traffic.output_tokens)
    made = plan.served.output_tokens_per_s * plan.replicas
    if api is None or made <= 0:
        return None
    watts = counted_w(door.device(plan.accelerator))
    return compare(
        api, plan.devices, made, door.price(plan.accelerator, spot=spot), door.purchase_price(plan.accelerator),
        watts.likely if watts else None, door.tariff,
    )  # fmt: skip


def _columns(comparison: Comparison | None) -> dict[str, Any]:
    api = comparison.api if comparison else None
    return {
        "api_usd_per_million_output_tokens": api.median_usd if api else None,
        "api_cheapest_usd_per_million_output_tokens": api.cheapest_usd if api else None,
        "api_hosts": api.hosts if api else None,
        "api_newest_date": api.newest_date if api else None,
        **_way("rented", comparison.rented if comparison else None),
        **_way("owned", comparison.owned if comparison else None),
    }


def _way(name: str, way: Way | None) -> dict[str, Any]:
    return {
        f"{name}_usd_per_million_output_tokens": way.usd_per_million_output_tokens if way else None,
        f"{name}_low_usd_per_million_output_tokens": way.low if way else None,
        f"{name}_high_usd_per_million_output_tokens": way.high if way else None,
        f"{name}_pays_from_load": way.load if way else None,
        f"{name}_pays_from_load_low": way.load_low if way else None,
        f"{name}_pays_from_load_high": way.load_high if way else None,
        f"{name}_pays_from_load_against_cheapest": way.load_against_cheapest if way else None,
        f"{name}_basis": way.basis if way else None,
    }
