"""How Dagster's own runs execute: independent steps side by side, each in a process of its own, one run at a time."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import dagster as dg

from pipelines.runs.writer_lock import only_writer
from warehouse.settings import Settings

PATIENCE_S = 900.0
ONLY_MEASURES = {"skyline/writes": "nothing"}
"""Tag of steps that leave lake and warehouse alone: a run of nothing else keeps nobody from writing."""


class OneWriter(dg.Executor):
    """Holds the home for writing from the beginning of a run to its end, and leaves its steps to another executor.

    Attributes:
        retries: As those of the other.
    """

    def __init__(self, steps: dg.Executor) -> None:
        self._steps = steps

    @property
    def retries(self) -> Any:  # noqa: D102 - see above
        return self._steps.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Run the plan.

        Raises:
            HomeBusy: another process is still writing to the home.
        """
        steps = (execution_plan.get_step_by_key(key) for key in execution_plan.step_keys_to_execute)
        writes = any(not ONLY_MEASURES.items() <= dict(step.tags).items() for step in steps)
        with only_writer(Settings(), PATIENCE_S) if writes else nullcontext():
            yield from self._steps.execute(plan_context, execution_plan)


# Dagster's types let an executor's configuration in, but not the one that another has.
_CONFIGURATION: Any = dg.multiprocess_executor.config_schema


@dg.executor(
    name="one_writer",
    config_schema=_CONFIGURATION,
    requirements=dg.multiple_process_executor_requirements(),
)
def one_writer(init_context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's multiprocess executor under the writer's lock."""
    create = dg.multiprocess_executor.executor_creation_fn
    if create is None:
        raise dg.DagsterInvariantViolationError("this dagster has no multiprocess executor")
    return OneWriter(create(init_context))


# A process that has imported all of us forks the steps: importing takes as long as most of them.
SIDE_BY_SIDE = one_writer.configured(
    {"start_method": {"forkserver": {"preload_modules": ["pipelines.definitions"]}}}, name="side_by_side"
)
