"""The form that lets a prompt be answered or a server be measured; there only where the operator turned it on."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

import panel as pn

from dashboards.measuring import CannotMeasure, Measuring
from dashboards.pages.measured import form_text as text
from dashboards.parts import page
from dashboards.parts.templates import block

PROMPT_TITLE = "Run a prompt here"
_LONGEST_PROMPT = 20_000
_FIELD: dict[str, Any] = {"width": 300, "margin": 0}
_FORMATS = ["float32", "bfloat16", "float16", "int8_emulated"]
_PRECISIONS = ["bfloat16", "float16", "float32"]


def forms(measuring: Measuring) -> list[pn.Column]:
    """A card for what may be measured, or for what is missing; none where the operator turned nothing on."""
    all_forms: list[Form] = []
    if measuring.checkpoints or measuring.endpoints:
        all_forms.append(PromptForm(measuring))
    if measuring.scored:
        all_forms.append(QualityForm(measuring))
    if measuring.endpoints:
        all_forms.append(EndpointForm(measuring))
    cards = [form.card() for form in all_forms]
    if measuring.folder is not None and not measuring.scored:
        return [page.card(page.html(block("heading", PROMPT_TITLE, text.no_checkpoint(measuring.folder.name)))), *cards]
    return cards


class Form(ABC):
    """Fields, a button that runs, one that gives up, and what came of it."""

    def __init__(self, measuring: Measuring, title: str, about: str) -> None:
        self.measuring = measuring
        self._about = block("heading", title, about)
        self.run = pn.widgets.Button(name="Measure", width=110, margin=(0, 8, 0, 0))
        self.stop = pn.widgets.Button(name="Cancel", width=110, margin=0, visible=False)
        self.note, self.answer = page.html(), page.html()
        self._task: asyncio.Task[str] | None = None
        self.run.on_click(self._measure)
        self.stop.on_click(self._give_up)
        pn.state.on_session_destroyed(self._give_up)

    @abstractmethod
    def fields(self) -> list[Any]:
        """What is asked for."""

    @abstractmethod
    async def ask(self) -> str:
        """Measure; HTML of what came of it."""

    def card(self) -> pn.Column:
        """The form."""
        buttons = pn.Row(self.run, self.stop, margin=(10, 0, 10, 0))
        return page.card(page.html(self._about, margin=(0, 0, 10, 0)), *self.fields(), buttons, self.note, self.answer)

    def tell(self, line: str) -> None:
        """Say how far it is."""
        self.note.object = page.working(line)

    def _give_up(self, *_: Any) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _measure(self, *_: Any) -> None:
        if self._task is not None:
            return
        self.run.disabled, self.stop.visible = True, True
        self.answer.object = ""
        self.tell("Measuring …")
        self._task = asyncio.ensure_future(self.ask())
        try:
            self.answer.object = await self._task
            self.note.object = ""
        except CannotMeasure as error:
            self.note.object = page.notes([str(error)])
        except asyncio.CancelledError:
            self.note.object = page.notes(["Cancelled. Nothing was saved."])
        finally:
            self._task = None
            self.run.disabled, self.stop.visible = False, False


class PromptForm(Form):
    """A prompt for a checkpoint or a server."""

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring, PROMPT_TITLE, text.PROMPT)
        checkpoints, servers = list(measuring.checkpoints), list(measuring.endpoints)
        self.subject = pn.widgets.Select(name="Answered by", options=[*checkpoints, *servers], **_FIELD)
        self.precision = pn.widgets.Select(name="Number format", options=_PRECISIONS, **_FIELD)
        self.model = pn.widgets.TextInput(name="Model, as the server names it", max_length=200, **_FIELD)
        self.new_tokens = pn.widgets.IntInput(name="Maximum new tokens", value=32, start=1, end=512, **_FIELD)
        self.prompt = pn.widgets.TextAreaInput(
            name="Prompt", placeholder="Text for the model to continue", rows=3, max_length=_LONGEST_PROMPT,
            sizing_mode="stretch_width", margin=(0, 0, 10, 0),
        )  # fmt: skip
        self.subject.param.watch(self._fit, "value")
        self._fit()

    def _fit(self, *_: Any) -> None:
        """A server has its own number format, and a name for its model."""
        self.model.visible = self.subject.value in self.measuring.endpoints
        self.precision.visible = not self.model.visible

    def fields(self) -> list[Any]:
        """What is asked for."""
        widgets = (self.subject, self.model, self.precision, self.new_tokens)
        return [self.prompt, page.row(*widgets, gap="12px")]

    async def ask(self) -> str:
        """Measure; HTML of what came of it."""
        prompt = (self.prompt.value_input or self.prompt.value or "")[:_LONGEST_PROMPT]
        if not prompt.strip():
            raise CannotMeasure("Enter a prompt first.")
        subject, most = self.subject.value, self.new_tokens.value or 1
        if subject in self.measuring.endpoints:
            return text.answer(*await self.measuring.prompt(subject, _named(self.model), prompt, most))
        return text.answer(*await self.measuring.generate(subject, prompt, most, self.precision.value))


class QualityForm(Form):
    """Checkpoints and formats to compare."""

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring, "Loss from a number format", text.QUALITY)
        offered = list(measuring.scored)
        self.first = pn.widgets.Select(name="Reference checkpoint", options=offered, **_FIELD)
        self.others = pn.widgets.MultiChoice(name="Other checkpoints", options=offered, solid=False, **_FIELD)
        self.precisions = pn.widgets.MultiChoice(
            name="Formats of unquantised checkpoints", options=_FORMATS, value=["bfloat16"], solid=False, **_FIELD
        )

    def fields(self) -> list[Any]:
        """What is asked for."""
        return [page.row(self.first, self.others, self.precisions, gap="12px")]

    async def ask(self) -> str:
        """Measure; HTML of what came of it."""
        if not self.precisions.value:
            raise CannotMeasure("Choose at least one format.")
        named = [self.first.value, *(name for name in self.others.value if name != self.first.value)]
        return text.scored(*await self.measuring.quality(named, self.precisions.value, []))


def _named(field: Any) -> str:
    """What was entered as the name of a server's model."""
    model = (field.value_input or field.value or "").strip()
    if not model:
        raise CannotMeasure("Enter the model's name as the server knows it.")
    return str(model)


class EndpointForm(Form):
    """Loads for a server."""

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring, "Measure a server", text.ENDPOINT)
        self.address = pn.widgets.Select(name="Server", options=list(measuring.endpoints), **_FIELD)
        self.model = pn.widgets.TextInput(name="Model, as the server names it", max_length=200, **_FIELD)
        self.concurrency = pn.widgets.MultiChoice(
            name="Requests in flight", options=[1, 2, 4, 8, 16, 32, 64], value=[1, 4], solid=False, **_FIELD
        )
        self.lengths = pn.widgets.MultiChoice(
            name="Prompt lengths (tokens)",
            options=[32, 128, 512, 1024, 4096, 16384],
            value=[128],
            solid=False,
            **_FIELD,
        )
        self.new_tokens = pn.widgets.IntInput(name="Maximum new tokens", value=64, start=1, end=1024, **_FIELD)
        self.requests = pn.widgets.IntInput(name="Requests for each", value=16, start=1, end=256, **_FIELD)

    def fields(self) -> list[Any]:
        """What is asked for."""
        widgets = (self.address, self.model, self.concurrency, self.lengths, self.new_tokens, self.requests)
        return [page.row(*widgets, gap="12px")]

    async def ask(self) -> str:
        """Measure; HTML of what came of it."""
        model = _named(self.model)
        if not self.concurrency.value or not self.lengths.value:
            raise CannotMeasure("Choose at least one number of requests in flight and one prompt length.")
        load = {
            "concurrency": ",".join(map(str, sorted(self.concurrency.value))),
            "prompt-lengths": ",".join(map(str, sorted(self.lengths.value))),
            "new-tokens": str(self.new_tokens.value),
            "requests": str(self.requests.value),
        }
        return text.served(*await self.measuring.endpoint(self.address.value, model, load, self.tell))
