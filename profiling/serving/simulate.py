"""Continuous batching with chunked prefill, step by step, as vLLM and its peers schedule it.

Every step decodes one token for each running request, fills what is left of its token budget with prompts in order of
arrival, and admits a request only while the cache has room for all of its tokens (Yu et al. 2022, Orca; Agrawal et
al. 2024, Sarathi-Serve). SGLang reads prompts in steps of their own instead, which go first: running requests wait.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, repeat
from math import ceil

import numpy as np
import numpy.typing as npt

from profiling.errors import InvalidWorkload
from profiling.serving.steps import StepTimes

Array = npt.NDArray[np.float64]
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Who asks for what.

    Attributes:
        input_tokens: Mean length of a prompt.
        output_tokens: Mean length of an answer.
        users: Requests in flight at all times (each user asks again at once); None where they arrive by themselves.
        requests_per_s: Arrivals as a Poisson process; None where users are given.
        spread: Coefficient of variation of both lengths, which are log-normal; 0: every request is alike.
        cached_prefix: Share of every prompt whose keys and values are reused.
    """

    input_tokens: float
    output_tokens: float
    users: int | None = None
    requests_per_s: float | None = None
    spread: float = 0.5
    cached_prefix: float = 0.0

    def check(self) -> None:
        """Nothing, if there can be such traffic.

        Raises:
            InvalidWorkload: The message names the value and its limits.
        """
        if (self.users is None) == (self.requests_per_s is None):
            raise InvalidWorkload("give either users in flight or requests per second")
        limits = (
            ("input_tokens", self.input_tokens, 1, 2**22), ("output_tokens", self.output_tokens, 1, 2**20),
            ("users", self.users, 1, 100_000), ("requests_per_s", self.requests_per_s, 1e-6, 1e5),
            ("spread", self.spread, 0, 3), ("cached_prefix", self.cached_prefix, 0, 0.999),
        )  # fmt: skip
        for name, value, low, high in limits:
            if value is not None and not low <= value <= high:
                raise InvalidWorkload(f"{name} is {value:g}; it must lie between {low:g} and {high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One copy of a model on its devices.

    Attributes:
        steps: Seconds of its steps.
        cache_tokens: Tokens that its KV cache holds.
        cache_bytes_per_token: Of one token in it, on all devices together.
        tokens_per_step: Budget of a step of each group: tokens decoded and prompt tokens together.
        sequences: Most requests that run at once.
        tokens_per_decode: Tokens that a decode step yields per request; above 1 with speculation.
        step_cost: Time of a decode step over that without speculation.
        readers: Replicas that read prompts alone, per replica that makes tokens; 0: each does both.
        moving_s_per_token: Time in which the cache of a prompt's token moves from the one to the other.
        balance_steps: Steps for which prompts wait until every group has one to read, or has no request that makes
            tokens; 0: they are not held back. `timeout_iters` of TensorRT-LLM's `attention_dp_config`.
        gathering_steps: Steps for which they wait for more from then on; its `batching_wait_iters`.
        separate_prefill: Whether prompts are read in steps of their own, for which those that make tokens wait.
        answering_s: Time of a request outside of the steps, before its first token.
        waited_steps: Decode steps that end before a new request is looked at.
        prompts_factor: What waiting for others' prompts was measured to take over the time in which they are read.
        first_token_factor: What first tokens were measured to take over the sum of all that they wait for.
    """

    steps: StepTimes
    cache_tokens: float
    cache_bytes_per_token: float = 0.0
    tokens_per_step: int = 8192
    sequences: int = 256
    tokens_per_decode: float = 1.0
    step_cost: float = 1.0
    readers: float = 0.0
    moving_s_per_token: float = 0.0
    balance_steps: int = 0
    gathering_steps: int = 0
    separate_prefill: bool = False
    answering_s: float = 0.0
    waited_steps: float = 0.0
    prompts_factor: float = 1.0
    first_token_factor: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the requests met; seconds by quantile (50, 90, 99 %).

    Attributes:
        time_to_first_token_s: From arrival to the first token.
        time_per_output_token_s: Mean of a request between its tokens.
        output_tokens_per_s: Of all requests together.
        input_tokens_per_s: Likewise; reused tokens are counted.
        running: Mean number of requests that decode.
        cache_occupancy: Mean share of the cache in use.
        prefill_share: Share of the time that reading prompts added.
        running_share: Share of the time in which anything runs.
        mean_first_token_s: Mean of the time to first token.
        mean_per_token_s: Mean of the time per output token.
        saturated: Whether requests arrive faster than they are served, so that the queue grows without end.
    """

    time_to_first_token_s: tuple[float, ...]
    time_per_output_token_s: tuple[float, ...]
    output_tokens_per_s: float
    input_tokens_per_s: float
    running: float
    cache_occupancy: float
    prefill_share: float
    running_share: float
    mean_first_token_s: float
    mean_per_token_s: float
    saturated: bool


@dataclass(slots=True)
class Request:
    """One request on its way; lengths in tokens, times in seconds."""

    arrived: float
    prompt: int
    answer: int
    cached: int
    group: int = 0
    """Which of the groups attends to it, where attention is data parallel: the one with the fewest when it comes."""
    read: int = 0
    waited: float = 0.0
    """For others' prompts; until it is read, less what `Run.unblocked` was when it came."""
    steps: int = 0
    """That make its answer."""
    first: float = 0.0
    ended: float = 0.0


def _read_part(request: Request, left: list[int]) -> float:
    """Read of a prompt what the budget of its group allows; the tokens that those read attend to, all together."""
    begun = request.read
    part = min(request.prompt - request.cached - begun, left[request.group])
    left[request.group] -= part
    request.read = begun + part
    return part * (request.cached + begun + part / 2)


class Run:
    """State of a simulation. Steps between two events are alike but for their contexts, so they are taken at once."""

    def __init__(
        self,
        replica: Replica,
        traffic: Traffic,
        prompts: npt.NDArray[np.int64],
        answers: npt.NDArray[np.int64],
        arrivals: Array | None,
        *,
        from_start: bool,
    ) -> None:
        self.replica, self.users, self.to_the_end = replica, traffic.users, from_start
        cached = traffic.cached_prefix
        self.coming = deque(
            Request(arrived, prompt, answer, int(cached * (prompt - 1)))
            for arrived, prompt, answer in zip(
                repeat(0.0, len(prompts)) if arrivals is None else arrivals.tolist(), prompts.tolist(),
                answers.tolist(), strict=True,
            )
        )  # fmt: skip
        self.waiting: deque[Request] = deque()
        self.reading: list[Request] = []
        self.decoding: list[tuple[int, int, Request]] = []
        """A heap by the step in which the last token comes."""
        self.order = count()
        self.own = [0] * replica.steps.groups
        """Requests of each group."""
        self.held, self.gathered, self.gathering = 0, 0, False
        """Steps since prompts were last let through and since every group had one, and whether every group has."""
        self.done: list[Request] = []
        self.now, self.taken, self.contexts, self.reserved = 0.0, 0, 0.0, 0
        self.sums = [0.0, 0.0, 0.0, 0.0]
        """Seconds that reading prompts added; seconds × requests that decode; seconds × tokens in the cache; seconds in
        which nothing ran."""
        self.unblocked = 0.0
        """Seconds in which requests waited for others' prompts, and not for room in the cache."""
        self.last_arrival = self.coming[-1].arrived
        self.warm = 0 if from_start else traffic.users or len(self.coming) // 5
        self.warm_at: tuple[float, list[float]] | None = None

    @property
    def inside(self) -> Sequence[int]:
        """Requests that wait, that are read, and that decode."""
        return len(self.waiting), len(self.reading), len(self.decoding)

    @property
    def is_full(self) -> bool:
        """Whether requests still come."""
        return bool(self.coming) if self.users is not None else self.now < self.last_arrival

    @property
    def queued(self) -> int:
        """Requests that have come and that nobody works on yet."""
        return len(self.waiting)

    def _arrive(self) -> None:
        if self.users is not None:
            missing = self.users - len(self.waiting) - len(self.reading) - len(self.decoding)
            for _ in range(min(missing, len(self.coming))):
                request = self.coming.popleft()
                request.arrived = self.now
                self._queue(request)
            return
        if not self.decoding and not self.reading and not self.waiting and self.coming:
            self.rest_until(self.coming[0].arrived)
        while self.coming and self.coming[0].arrived <= self.now:
            self._queue(self.coming.popleft())

    def _queue(self, request: Request) -> None:
        request.waited = -self.unblocked
        request.group = self.own.index(min(self.own))
        self.own[request.group] += 1
        self.waiting.append(request)

    def rest_until(self, moment: float) -> None:
        """Nothing runs until then."""
        self.sums[3] += max(moment - self.now, 0.0)
        self.now = max(self.now, moment)

    def _read(self) -> tuple[int, float, int]:
        """Prompt tokens of this step in the group that reads most, how many each attends to, those of all groups."""
        if not self.reading and not self.waiting:
            return 0, 0.0, 0
        groups = self.replica.steps.groups
        making = 0 if self.replica.separate_prefill else ceil(len(self.decoding) / groups)
        budget = max(self.replica.tokens_per_step - making, 0)
        left, attended = [budget] * groups, 0.0
        for request in self.reading:
            attended += _read_part(request, left)
        behind: list[Request] = []
        while self.waiting and max(left) > 0 and self.has_room_for(self.waiting[0]):
            request = self.waiting.popleft()
            if left[request.group] <= 0:
                behind.append(request)
                continue
            request.waited += self.unblocked
            self.reading.append(request)
            self.reserved += request.prompt + request.answer
            attended += _read_part(request, left)
        self.waiting.extendleft(reversed(behind))
        whole = groups * budget - sum(left)
        return budget - min(left), attended / whole if whole else 0.0, whole

    def _held_steps(self) -> int:
        """Steps for which groups still hold their prompts back for each other (`_balance_adp_requests`)."""
        replica, groups = self.replica, self.replica.steps.groups
        if not replica.balance_steps or self.reading:
            return 0
        self.gathering = len({request.group for request in self.waiting}) == groups
        left = replica.gathering_steps - self.gathered if self.gathering else replica.balance_steps - self.held
        if self.gathering or left <= 0:
            self.held = 0
        if left > 0 and len({request.group for _, _, request in self.decoding}) == groups:
            return left
        self.held = self.gathered = 0
        return 0

    def has_room_for(self, request: Request) -> bool:
        """Whether it may run beside those that do."""
        running = len(self.decoding) + len(self.reading)
        need = request.prompt + request.answer
        return running < self.replica.sequences and self.reserved + need <= self.replica.cache_tokens

    def next_event(self) -> float | None:
        """When the next request comes by itself."""
        return self.coming[0].arrived if self.users is None and self.coming else None

    def begin(self, request: Request) -> None:
        """Make its tokens from the next step on."""
        request.steps = ceil((request.answer - 1) / self.replica.tokens_per_decode)
        heapq.heappush(self.decoding, (self.taken + request.steps, next(self.order), request))
        self.contexts += request.prompt + 1

    def _advance(self) -> None:
        """One step that reads prompts, or as many pure decode steps as there are until something happens."""
        self._arrive()
        held = self._held_steps()
        chunk, attended, read = (0, 0.0, 0) if held else self._read()
        batch, steps = len(self.decoding), self.replica.steps
        alone = self.replica.step_cost * steps.at(batch, self.contexts) if batch else 0.0
        taken, seconds, added = 1, alone, 0.0
        if chunk and self.replica.separate_prefill:
            taken, seconds = 0, steps.added(0, chunk, attended, read)
            added = seconds
        elif chunk:
            added = steps.added(batch, chunk, attended, read)
            seconds += added
        elif batch:
            taken = max(self.decoding[0][0] - self.taken, 1)
            taken = min(taken, held or taken)
            event = self.next_event()
            if event is not None:
                taken = max(min(taken, int((event - self.now) / alone)), 1)
            growth = self.replica.step_cost * steps.per_context_s(batch) * batch * self.replica.tokens_per_decode
            seconds = taken * alone + growth * taken * (taken - 1) / 2
        self.now += seconds
        self.taken += taken
        if held and self.gathering:
            self.gathered += taken
        else:
            self.held += taken
        if not held and self.waiting and self.has_room_for(self.waiting[0]):
            self.unblocked += seconds
        sums = self.sums
        sums[0] += added
        sums[1] += seconds * batch
        sums[2] += seconds * self.contexts
        self.contexts += taken * batch * self.replica.tokens_per_decode
        self._begin_and_end()

    def _begin_and_end(self) -> None:
        if self.reading:
            unread = []
            for request in self.reading:
                if request.read < request.prompt - request.cached:
                    unread.append(request)
                else:
                    request.first = self.now
                    self.begin(request)
            self.reading = unread
        while self.decoding and self.decoding[0][0] <= self.taken:
            _, _, request = heapq.heappop(self.decoding)
            self.contexts -= request.prompt + 1 + request.steps * self.replica.tokens_per_decode
            self.reserved -= request.prompt + request.answer
            self.own[request.group] -= 1
            request.ended = self.now
            self.done.append(request)
        if self.warm_at is None and len(self.done) >= self.warm:
            self.warm_at = self.now, self.sums.copy()

    def result(self) -> Served:
        """Run until no new request can begin, after which fewer and fewer are left, or until every one is answered."""
        queued = 0
        while self.is_full or (self.to_the_end and any(self.inside)):
            self._advance()
            if self.users is None and self.now <= self.last_arrival:
                queued = self.queued
        while not self.done:  # fewer requests than are in flight
            self._advance()
        is_warm = self.warm_at is not None and len(self.done) > self.warm
        began, sums = self.warm_at if self.warm_at and is_warm else (0.0, [0.0] * len(self.sums))
        made = self.done[self.warm :] if is_warm else self.done
        # Users who all ask at once at the start wait for each other as they never do again.
        counted = [request for request in made if not self.warm or self.users is None or request.arrived > 0] or made
        span = max(self.now - began, 1e-12)
        reading, running, cached, resting = ((now - then) / span for now, then in zip(self.sums, sums, strict=True))
        waited = np.array([request.waited for request in counted])
        first = (
            np.array([request.first - request.arrived for request in counted])
            + (self.replica.prompts_factor - 1) * waited
        )
        each = np.array([(request.ended - request.first) / max(request.answer - 1, 1) for request in counted])
        step = float(np.median(each)) * self.replica.tokens_per_decode
        first += self.replica.answering_s + (self.replica.waited_steps * step if running > 1 else 0.0)
        first *= self.replica.first_token_factor
        return Served(
            time_to_first_token_s=tuple(float(np.quantile(first, q)) for q in QUANTILES),
            time_per_output_token_s=tuple(float(np.quantile(each, q)) for q in QUANTILES),
            output_tokens_per_s=sum(request.answer for request in made) / span,
            input_tokens_per_s=sum(request.prompt for request in made) / span,
            running=float(running),
            cache_occupancy=min(float(cached) / self.replica.cache_tokens, 1.0),
            prefill_share=float(reading),
            running_share=1.0 - float(resting),
            mean_first_token_s=float(first.mean()),
            mean_per_token_s=float(each.mean()),
            saturated=self.users is None and queued > max(0.1 * len(self.done), 8),
        )
