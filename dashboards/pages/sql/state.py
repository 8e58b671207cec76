"""Choices of the SQL page."""

from typing import Any

import param

from dashboards.parts.state import Statement, UrlState


class ConsoleState(UrlState):
    """Choices of the SQL page."""

    sql: Any = Statement(default="", doc="What was asked last; too long a statement stays out of the address.")
    chart: Any = param.Selector(default="none", objects=["none", "points", "line", "bars"])
    x: Any = param.Selector(objects=[], doc="Column of the result.")
    y: Any = param.Selector(objects=[], doc="Column of numbers of the result.")

    def put_off(self, *names: str) -> dict[str, str]:
        """What the address asks for under names that nothing can be offered for yet."""
        return {name: values[-1] for name in names if (values := self._query.pop(name, None))}
