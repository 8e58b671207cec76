"""Words of the page Serve."""

from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.parts import formats
from profiling.answers.buying import Comparison, Way
from profiling.serving.layouts import split_words
from profiling.serving.limits import MOST_TIMES, Limit
from profiling.serving.plan import Plan, Promise
from profiling.serving.simulate import Traffic

PROMISES = {
    "time_to_first_token_s": "time to first token", "time_per_output_token_s": "time per token",
    "throughput": "throughput", "memory": "memory for the cache",
}  # fmt: skip
CERTAINTY = {
    "surely": "Surely: the target is met even at the slow end of the 80 % interval of step times",
    "likely": "Likely: the target is met at the likely step time, not at the slow end of its 80 % interval",
    "not kept": "Not met: a target is missed at the likely step time",
}


def load(traffic: Traffic) -> str:
    """Who asks for what."""
    asking = (
        f"{traffic.users:,} concurrent users" if traffic.users else f"{traffic.requests_per_s:g} requests per second"
    )
    return f"{asking} ({traffic.input_tokens:,.0f} tokens in, {traffic.output_tokens:,.0f} out)"


def layout(plan: Plan) -> str:
    """How one plan is laid out."""
    parts = [f"{plan.replicas} replica{'' if plan.replicas == 1 else 's'}"]
    if plan.readers:
        parts.append(f"{plan.readers} more for prompts")
    return ", ".join(filter(None, (*parts, split_words(plan.split))))


def short(plan: Plan) -> str:
    """A plan in the legend."""
    return f"{plan.devices} × {plan.accelerator}"


def certainty(plan: Plan) -> str:
    """How sure a plan is, in a sentence with its slow end."""
    slow = plan.slow
    if plan.broken:
        return f"{CERTAINTY[plan.certainty]}."
    first, each = slow.time_to_first_token_s[1], slow.time_per_output_token_s[1]
    return (
        f"{CERTAINTY[plan.certainty]} (there {formats.significant(first)} s to the first token and "
        f"{formats.significant(1000 * each)} ms per token)."
    )


def cheapest(plans: Sequence[Plan]) -> str:
    """The plan with the least rent, where it is not the first."""
    priced = [plan for plan in plans if plan.usd_per_hour is not None and not plan.broken]
    if not priced:
        return ""
    least = min(priced, key=lambda plan: plan.usd_per_hour or 0.0)
    if least is plans[0]:
        return "No other plan that meets the targets costs less per hour."
    return f"{short(least)} ({layout(least)}): ${least.usd_per_hour:,.2f} an hour; targets {least.certainty} met."


def buying(comparison: Comparison | None) -> Sequence[tuple[str, str]]:
    """Whether to buy the tokens or to serve them, rented and owned, each with a heading."""
    if comparison is None:
        return ()
    api = comparison.api
    when = "undated" if api.newest_date is None else f"newest {api.newest_date.isoformat()}"
    when += formats.days_old(api.newest_date)
    bought = (
        f"${api.median_usd:,.2f} per million output tokens with their prompts (median of {api.hosts} "
        f"host{'' if api.hosts == 1 else 's'}, {when}); ${api.cheapest_usd:,.2f} from {api.cheapest_provider}."
    )
    lines = [("Bought as tokens", bought)]
    ways = (("Rented", comparison.rented), ("Owned", comparison.owned))
    return [*lines, *((name, _way(comparison, way)) for name, way in ways if way)]


def _way(comparison: Comparison, way: Way) -> str:
    is_range = way.low < way.high
    between = f" (${way.low:,.2f} to ${way.high:,.2f})" if is_range else ""
    likely = f"${way.usd_per_million_output_tokens:,.2f}"
    cost = f"{likely}{between} per million output tokens if this traffic runs all the time"
    if way.load is None:
        pays = "even then more expensive than the median host"
        if way.load_low is not None:
            pays += f"; at the lowest device price, cheaper if it runs at least {100 * way.load_low:.0f} % of the time"
    else:
        tokens = formats.significant(comparison.tokens_per_day(way.load) / 1e6)
        ends = " to ".join("never" if end is None else f"{100 * end:.0f} %" for end in (way.load_low, way.load_high))
        over = f" ({ends} over the range of prices)" if is_range else ""
        pays = (
            f"cheaper than the median host if it runs at least {100 * way.load:.0f} % of the time{over}, or "
            f"{tokens} million output tokens a day"
        )
        cheapest = way.load_against_cheapest
        than = "cheaper than the cheapest host"
        pays += f"; never {than}" if cheapest is None else f"; {than} from {100 * cheapest:.0f} % of the time"
    return f"{cost}; {pays}. {way.basis[0].upper()}{way.basis[1:]}{formats.days_old(way.newest_date)}."


def verdict(sized: Sequence[tuple[Plan, Limit]], promise: Promise) -> str:
    """Which of two fleets meets the targets, costs less per hour, and supports more traffic."""
    adequate = [plan for plan, _ in sized if not plan.broken]
    if not adequate:
        return "Neither meets the targets."
    certainties = {plan.certainty for plan in adequate}
    if len(adequate) == 1:
        words = f"Only {short(adequate[0])} {adequate[0].certainty} meets the targets"
    elif len(certainties) == 1:
        words = f"Both {certainties.pop()} meet the targets"
    else:
        words = f"Both meet the targets: {' and '.join(f'{short(plan)} {plan.certainty}' for plan in adequate)}"
    prices = sorted(((plan.usd_per_hour, short(plan)) for plan, _ in sized if plan.usd_per_hour is not None))
    cheaper = prices[0][1] if len(prices) == 2 and prices[0][0] != prices[1][0] else ""
    if cheaper:
        words += f"; {cheaper} costs less (${prices[0][0]:,.2f} an hour against ${prices[1][0]:,.2f})"
    bears = sorted(((most.most, short(plan)) for plan, most in sized), reverse=True)
    if bears[0][0] != bears[1][0]:
        most, least = (_amount(value, promise) for value, _ in bears)
        words += " and" if bears[0][1] == cheaper else f"; {bears[0][1]}"
        words += f" supports more ({most} {_unit(promise)} against {least})"
    return f"{words}."


def _unit(promise: Promise) -> str:
    return "concurrent users" if promise.traffic.users else "requests per second"


def _amount(load: float, promise: Promise) -> str:
    return f"{load:,.0f}" if promise.traffic.users else formats.significant(load)


def fleet_cells(plan: Plan, promise: Promise, limit: Limit) -> Mapping[str, str]:
    """A fleet as a column of the comparison, by label."""
    row, served, unit, most = plan.row(), plan.served, _unit(promise), _amount(limit.most, promise)
    breaks = (
        f"{PROMISES[limit.breaks]}, beyond {most} {unit}"
        if limit.breaks
        else f"none up to {MOST_TIMES} times this traffic"
    )
    if limit.most == 0 and limit.breaks:
        breaks = f"{PROMISES[limit.breaks]}, even with a single request"
    return {
        "Layout": layout(plan),
        "Targets": "missed: " + ", ".join(PROMISES[name] for name in plan.broken) if plan.broken
        else f"{plan.certainty} met",
        "First limit": breaks,
        "First token, 90 % within": _seconds(served.time_to_first_token_s[1]),
        "Per token, 90 % within": f"{formats.significant(1000 * served.time_per_output_token_s[1])} ms",
        "Output tokens/s": _number(row["output_tokens_per_s"]),
        "Output tokens/s per device": _number(row["output_tokens_per_s_per_device"]),
        "KV cache in use": f"{100 * served.cache_occupancy:.0f} %",
        "USD per hour": _money(plan.usd_per_hour),
        "USD per million tokens in": _money(row["usd_per_million_input_tokens"]),
        "USD per million tokens out": _money(row["usd_per_million_output_tokens"]),
    }  # fmt: skip


def _seconds(value: float) -> str:
    return f"{formats.significant(value)} s"


def _number(value: Any) -> str:
    return formats.MISSING if value is None else formats.significant(float(value))


def _money(value: Any) -> str:
    return "no price is listed" if value is None else f"${float(value):,.2f}"
