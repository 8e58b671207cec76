"""Prompts read on devices of their own: the cache they make moves to the devices that make the tokens.

Zhong et al. 2024 (DistServe), Patel et al. 2024 (Splitwise): prompts and tokens no longer wait for each other, and each
side has as many devices as it needs.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import ceil
from typing import Any

from profiling.serving.simulate import Request, Run


class DisaggregatedRun(Run):
    """A simulation whose decode steps read no prompts: these are read elsewhere, one at a time on each reader."""

    def __init__(self, *arguments: Any, from_start: bool) -> None:
        super().__init__(*arguments, from_start=from_start)
        readers = ceil(self.replica.readers) * self.replica.steps.groups
        self.busy = ceil(self.replica.readers) / self.replica.readers
        """Where a reader is shared with other replicas, how much longer it is taken than a prompt needs."""
        self.free = [0.0] * readers
        self.elsewhere: list[tuple[float, int, Request]] = []
        """A heap by the time at which the cache of a prompt has arrived."""
        if self.users is None:
            for request in self.coming:
                self._send(request)
            self.coming.clear()

    @property
    def inside(self) -> Sequence[int]:
        """Requests that wait, that are read, and that decode."""
        return len(self.waiting), len(self.elsewhere), len(self.decoding)

    @property
    def queued(self) -> int:
        """Requests that have come and that nobody works on yet."""
        come = sum(request.arrived <= self.now for _, _, request in self.elsewhere)
        return len(self.waiting) + max(come - len(self.free), 0)

    def _send(self, request: Request) -> None:
        start = max(request.arrived, heapq.heappop(self.free))
        new, steps = request.prompt - request.cached, self.replica.steps
        seconds = steps.at(0, 0, new, request.cached + new / 2, new * steps.groups)
        heapq.heappush(self.free, start + seconds * self.busy)
        request.first = start + seconds + self.replica.moving_s_per_token * request.prompt
        heapq.heappush(self.elsewhere, (request.first, next(self.order), request))

    def _arrive(self) -> None:
        if self.users is not None:
            for _ in range(min(self.users - sum(self.inside), len(self.coming))):
                request = self.coming.popleft()
                request.arrived = self.now
                self._send(request)
        if not self.decoding and not self.waiting and self.elsewhere:
            self.rest_until(self.elsewhere[0][0])
        while self.elsewhere and self.elsewhere[0][0] <= self.now:
            self.waiting.append(heapq.heappop(self.elsewhere)[2])
        while self.waiting and self.has_room_for(self.waiting[0]):
            request = self.waiting.popleft()
            self.reserved += request.prompt + request.answer
            self.begin(request)

    def _read(self) -> tuple[int, float, int]:
        return 0, 0.0, 0

    def next_event(self) -> float | None:
        """When the next cache arrives."""
        return self.elsewhere[0][0] if self.elsewhere else None
