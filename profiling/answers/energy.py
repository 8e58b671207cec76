"""Energy per token in its parts: the devices while they run, the host around them, and both while nothing runs.

What hosts and idle devices draw stands in reference/power.csv, each figure with its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import device_class
from profiling.engines.time import shipped_times
from profiling.errors import InvalidWorkload
from profiling.reference_files import reference_rows

INCLUDES = (
    "Energy per token includes the devices while they run; the host around them (processors, memory, fans, network, "
    "power supplies) and idle power are stated separately, and carbon includes all three."
)
"""What “per token” includes; said wherever energy is printed."""
_LEAST_SHARE = 0.5
_SERVER, _OTHER, _DESKTOP, _CHIP = (
    "server of eight linked devices", "server of another kind", "desktop of one card", "machine of one chip",
)  # fmt: skip
_SERVER_LINKS = frozenset({"nvlink", "infinity fabric"})
_SERVER_CLASSES = frozenset({"nvidia hopper and blackwell", "amd data centre"})
_DESKTOP_CLASSES = frozenset({"geforce", "nvidia workstation", "radeon", "intel gpu"})
_CHIP_KINDS = frozenset({"cpu", "igpu", "edge"})


@dataclass(frozen=True, slots=True)
class Spread:
    """A likely value between a low and a high one."""

    low: float
    likely: float
    high: float

    def __add__(self, other: Spread) -> Spread:
        """Low with low, high with high."""
        return Spread(self.low + other.low, self.likely + other.likely, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Draw:
    """Watts of one device, or of its share of a host, with where that is from."""

    watts: Spread
    what: str
    source: str
    note: str = ""


def power_shares(accelerator: Accelerator) -> tuple[float, float, float]:
    """Low, likely and high draw under load as shares of the rated power.

    The likely one is that of the fit to metered devices, as `skyline accuracy` holds it against measured energy: of
    the device, else of its class, else of all. The others are half and the whole rated power.
    """
    likely = shipped_times().power_share(accelerator)
    return min(_LEAST_SHARE, likely), likely, max(1.0, likely)


def drawn_w(accelerator: Accelerator) -> tuple[float, float, float] | None:
    """Low, likely and high draw of one device under load in watts; None where its power is not published."""
    if accelerator.power_w is None:
        return None
    low, likely, high = power_shares(accelerator)
    return low * accelerator.power_w, likely * accelerator.power_w, high * accelerator.power_w


@cache
def _figures() -> Mapping[tuple[str, str], Mapping[str, str]]:
    return {(row["quantity"], row["of"]): row for row in reference_rows("power.csv")}


def _draw(quantity: str, of: str, accelerator: Accelerator) -> Draw | None:
    row = _figures().get((quantity, of))
    if row is None:
        return None
    of_rated = row["unit"] == "of the rated power"
    if of_rated and accelerator.power_w is None:
        return None
    scale = (accelerator.power_w or 0.0) if of_rated else 1 / int(row["devices"])
    return Draw(
        Spread(*(float(row[end]) * scale for end in ("low", "likely", "high"))), of, row["source"], row["note"]
    )  # fmt: skip


def host_of(accelerator: Accelerator) -> str:
    """The kind of machine that such devices are put in."""
    kind = device_class(accelerator)
    if accelerator.kind in _CHIP_KINDS or kind == "nvidia edge":
        return _CHIP
    if kind in _SERVER_CLASSES and accelerator.link_kind in _SERVER_LINKS and accelerator.node_size == 8:
        return _SERVER
    return _DESKTOP if kind in _DESKTOP_CLASSES and accelerator.link_kind in {"pcie", "nvlink bridge"} else _OTHER


def host_draw(accelerator: Accelerator) -> Draw | None:
    """A device's share of what its host draws under load; None: not known, as the device's power is not published."""
    return _draw("host", host_of(accelerator), accelerator)


def idle_draw(accelerator: Accelerator) -> Draw | None:
    """What a device draws with a model loaded and nothing running; None: not known."""
    return _draw("idle", accelerator.name, accelerator)


def host_idle_draw(accelerator: Accelerator) -> Draw | None:
    """A device's share of what its host draws while nothing runs; None: not known."""
    return _draw("host idle", host_of(accelerator), accelerator)


def counted_w(accelerator: Accelerator) -> Spread | None:
    """What a device and its share of the host draw while they run; None where its power is not published."""
    drawn, host = drawn_w(accelerator), host_draw(accelerator)
    return Spread(*drawn) + host.watts if drawn and host else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEnergy:
    """Joules per token, by what draws them."""

    devices: Spread
    """The devices while they run."""
    host: Spread
    """The host around them meanwhile."""
    idle: Spread | None
    """Devices and host while nothing runs; None: what the devices draw then is not known."""
    running_share: float
    """Share of the time in which something runs."""
    host_draw: Draw
    accelerator: Accelerator

    @property
    def total(self) -> Spread:
        """All parts that are known."""
        running = self.devices + self.host
        return running + self.idle if self.idle else running

    @property
    def amounts(self) -> str:
        """The whole with its range, and the parts, in joules."""
        whole = self.total
        idle = "not known" if self.idle is None else f"{self.idle.likely:.3g} J"
        return (
            f"{whole.likely:.3g} J per output token with its prompt (range {whole.low:.3g} to {whole.high:.3g}): "
            f"devices {self.devices.likely:.3g} J, host {self.host.likely:.3g} J, idle time {idle}"
        )

    @property
    def explanation(self) -> str:
        """What is counted, in sentences: what “per token” includes, and what stands behind host and idle time."""
        return f"{INCLUDES} {self._host_sentence} {self._idle_sentence}"

    @property
    def _host_sentence(self) -> str:
        watts, what = self.host_draw.watts, self.host_draw.what
        basis = ", in proportion to the rated power" if what in {_OTHER, _CHIP} else ""
        return f"Host: {watts.likely:.0f} W per device (range {watts.low:.0f} to {watts.high:.0f}), of a {what}{basis}."

    @property
    def _idle_sentence(self) -> str:
        if self.running_share >= 1:
            return "No idle time: the load is assumed to be constant."
        rests = f"Devices are idle {100 * (1 - self.running_share):.0f} % of the time"
        idle, host = idle_draw(self.accelerator), host_idle_draw(self.accelerator)
        if idle is None:
            return f"{rests}; the idle power of {self.accelerator.name} is not known, so it is left out."
        of_host = f" and {host.watts.likely:.0f} W of the host" if host else ", host left out"
        return f"{rests}, at {idle.watts.likely:.0f} W per device{of_host}."


def energy_per_token(
    accelerator: Accelerator, devices: int, tokens_per_s: Spread, running_share: float = 1.0
) -> TokenEnergy | None:
    """Energy per token of devices of one kind; None where their power is not published.

    Args:
        accelerator: One of the devices.
        devices: How many.
        tokens_per_s: Of all devices together, averaged over all time; its high end goes with the least energy.
        running_share: Share of that time in which something runs.

    Raises:
        InvalidWorkload: A share or a rate that cannot be.
    """
    if not 0 < running_share <= 1 or min(tokens_per_s.low, tokens_per_s.likely, tokens_per_s.high) <= 0:
        raise InvalidWorkload(f"no energy per token at {tokens_per_s.likely:g} tokens/s, {running_share:g} of the time")
    drawn, host = drawn_w(accelerator), host_draw(accelerator)
    if drawn is None or host is None:
        return None

    def per_token(watts: Spread, share: float) -> Spread:
        rates, busy = tokens_per_s, devices * share
        return Spread(busy * watts.low / rates.high, busy * watts.likely / rates.likely, busy * watts.high / rates.low)

    idle, host_idle = idle_draw(accelerator), host_idle_draw(accelerator)
    resting: Spread | None = Spread(0.0, 0.0, 0.0)
    if running_share < 1:
        watts = idle and (idle.watts + host_idle.watts if host_idle else idle.watts)
        resting = per_token(watts, 1 - running_share) if watts else None
    return TokenEnergy(
        devices=per_token(Spread(*drawn), running_share), host=per_token(host.watts, running_share), idle=resting,
        running_share=running_share, host_draw=host, accelerator=accelerator,
    )  # fmt: skip
