"""A model of the reader's own, from the text of its `config.json`: for this visitor alone, kept nowhere."""

from collections.abc import Callable
from typing import Any

import panel as pn

from dashboards.parts import page
from profiling.errors import ProfilingError
from profiling.foreign import NotJson
from profiling.models.architecture import Architecture
from profiling.models.config_text import from_config_text

NAME = "your model"
"""Name under which it is looked up; no model on the hub has this name."""
LONGEST = 200_000
"""Characters of a config; those of the hub have a few thousand."""


class Own:
    """Where a reader gives a config, and what is made of it."""

    def __init__(self, on_model: Callable[[Architecture], None]) -> None:
        """Make the field.

        Args:
            on_model: Called with each model that was read.
        """
        self._on_model = on_model
        self._text = pn.widgets.TextAreaInput(
            name="Or the text of a config.json", rows=4, max_length=LONGEST, sizing_mode="stretch_width", margin=0,
            placeholder='{"model_type": "qwen3", …}',
        )  # fmt: skip
        self._file = pn.widgets.FileInput(
            name="Or the file itself", accept=".json", sizing_mode="stretch_width", margin=(6, 0, 0, 0)
        )
        self._problem = page.html()
        button = pn.widgets.Button(name="Show this model", margin=(8, 0, 0, 0))
        button.on_click(self._read)
        self._file.param.watch(self._dropped, "value")
        self.column = pn.Column(
            self._text, self._file, button, self._problem,
            page.html(page.caption("Only you see it, and it is not stored.")), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _dropped(self, event: Any) -> None:
        if not event.new:
            return
        if len(event.new) > LONGEST:
            self._problem.object = page.notes(
                [f"The file has more than {LONGEST:,} bytes; a config has a few thousand."]
            )
            return
        self._text.value = event.new.decode("utf-8", "replace")
        self._read()

    def _read(self, _event: Any = None) -> None:
        try:
            model = from_config_text(self._text.value or "", NAME)
        except (ProfilingError, NotJson) as error:
            self._problem.object = page.notes([str(error)])
            return
        self._problem.object = ""
        self._on_model(model)
