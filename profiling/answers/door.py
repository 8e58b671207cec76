"""The one door: every question about a model on a device under a load is asked here, with one set of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from profiling.answers.answer import OTHER_STAGE, Answer, occurrence_rows
from profiling.answers.buying import Purchase, purchase_price, typical_tariff
from profiling.answers.cost import grid_intensity, serving_cost
from profiling.answers.engine_choice import engine_for
from profiling.answers.extras import adapter_parameters, adapter_targets, drafting
from profiling.answers.images import images_of
from profiling.answers.known_models import architecture, model_choices
from profiling.answers.prices import ApiPrice, Price, api_price, typical_price
from profiling.answers.pruning import pruning_of
from profiling.answers.question import AS_PUBLISHED, ENGINE, Question, split_over
from profiling.calibration.calibrate import Calibration
from profiling.calibration.shipped import by_device, shipped
from profiling.devices.accelerators import Accelerator, find, from_record
from profiling.devices.accelerators import from_toml as accelerators_from_toml
from profiling.devices.accelerators import table as shipped_accelerators
from profiling.devices.names import resolve_device
from profiling.engines.table import engine_of
from profiling.errors import InvalidWorkload, ProfilingError, UnknownAccelerator
from profiling.foreign import parse_json
from profiling.kernels.operators import measured_models
from profiling.memory.need import require_fit
from profiling.models.architecture import Architecture
from profiling.models.load import load
from profiling.models.names import ModelName, resolve_model, states_format
from profiling.models.sources import catalogue, from_config, is_path, same_shapes, under_name
from profiling.models.stored import BF16
from profiling.models.variants import with_vocabulary
from profiling.roofline.estimate import Estimate, estimate
from profiling.roofline.operator_time import OperatorModel
from profiling.roofline.workload import ADAPTER_BITS, Adapters, Parallelism, Stage

Rows = Sequence[Mapping[str, Any]]
_MOST_ANSWERS = 512


class Door:
    """Facts that questions are answered with: devices, calibrations, prices, and the carbon intensity of electricity.

    Every user of the performance model holds one: those of a published warehouse come from its tables
    (`from_tables`), so that a row that somebody added there reaches every answer; without a warehouse the facts that
    ship are used (`shipped_door`).
    """

    def __init__(
        self,
        devices: Mapping[str, Accelerator],
        calibrations: Mapping[str, Sequence[Calibration]],
        prices: Rows = (),
        grids: Rows = (),
        *,
        market: Callable[[str], pl.DataFrame] | None = None,
        own_models: Mapping[str, Architecture] | None = None,
        look_up: Callable[[str], Architecture] | None = None,
    ) -> None:
        """Take the facts.

        Args:
            devices: By name.
            calibrations: Fitted laws, by the name of the device.
            prices: Rows of `core.accelerator_prices`.
            grids: Rows of `core.grid_carbon_intensity`.
            market: Gives the tables of what tokens, devices and electricity cost to buy, when they are asked for.
            own_models: Models beside those of the catalogue, by name: what was fetched from the hub before.
            look_up: Fetches a model that only the hub knows, by its address there; None: that is not wanted.
        """
        self.devices = devices
        self.calibrations = {name: tuple(fitted) for name, fitted in calibrations.items()}
        self.prices, self.grids, self._market = prices, grids, market
        self.own_models = dict(own_models or {})
        self._look_up = look_up
        self._named: dict[str, Architecture | None] = {}
        self.answer = lru_cache(_MOST_ANSWERS)(self._answer)

    @classmethod
    def from_tables(
        cls,
        read: Callable[[str], pl.DataFrame],
        *,
        own_models: Mapping[str, Architecture] | None = None,
        look_up: Callable[[str], Architecture] | None = None,
    ) -> Door:
        """A door with the facts of a warehouse.

        Args:
            read: Gives a table by its full name, such as `core.accelerators`.
            own_models: Models beside those of the warehouse, by name.
            look_up: Fetches a model that only the hub knows; None: that is not wanted.
        """
        devices = [from_record({**row, "name": row["accelerator"]}) for row in read("core.accelerators").to_dicts()]
        calibrations: dict[str, list[Calibration]] = {}
        for device, predictor in read("marts.calibrations").select("device", "predictor").iter_rows():
            calibrations.setdefault(device, []).append(Calibration.from_json(predictor))
        published = {}
        for name, config in read("core.hub_models").select("model_id", "config").iter_rows():
            with suppress(ProfilingError):
                published[str(name)] = from_config(parse_json(config), str(name))
        return cls(
            {device.name: device for device in devices},
            calibrations,
            read("core.accelerator_prices").to_dicts(),
            read("core.grid_carbon_intensity").to_dicts(),
            market=read,
            own_models={**published, **(own_models or {})},
            look_up=look_up,
        )

    def with_devices(self, file: Path) -> Door:
        """The same door with accelerators of the user's own TOML file beside the others.

        Raises:
            UnknownAccelerator: There is no such file.
            InvalidAccelerator: Figures of the file cannot be right.
        """
        if not file.is_file():
            raise UnknownAccelerator(f"there is no file {file}; give a TOML file with one table per accelerator")
        own = accelerators_from_toml(file.read_text("utf-8"))
        return self._with(own)

    def with_device(self, device: Accelerator) -> Door:
        """The same door with one device in place of, or beside, those of the table."""
        return self if self.devices.get(device.name) == device else self._with({device.name: device})

    def with_model(self, model: Architecture) -> Door:
        """The same door with one more model, by its name."""
        return Door(
            self.devices, self.calibrations, self.prices, self.grids, market=self._market,
            own_models={**self.own_models, model.name: model}, look_up=self._look_up,
        )  # fmt: skip

    def _with(self, own: Mapping[str, Accelerator]) -> Door:
        made = Door(
            {**self.devices, **own}, self.calibrations, self.prices, self.grids, market=self._market,
            own_models=self.own_models, look_up=self._look_up,
        )  # fmt: skip
        made._named = self._named  # the models are the same
        return made

    # What can be asked about -----------------------------------------------------------------------------------------

    @cached_property
    def fitted(self) -> Mapping[str, Mapping[str, OperatorModel]]:
        """What predicts from measurements: operator models by class, by device."""
        return measured_models(self.calibrations, self.devices)

    def kernels(self, device: Accelerator, engine: str) -> Mapping[str, OperatorModel] | None:
        """What predicts operators of an engine on a device from measurements; None where it has kernels of its own."""
        return self.fitted.get(device.name) if engine_of(engine, device).reference_kernels else None

    def model(self, name: str) -> Architecture:
        """The architecture of that name or path.

        Raises:
            UnknownModel: There is none; the message names the nearest.
        """
        model = self.known_model(name)
        if model is not None:
            return model
        if self._look_up:
            match = resolve_model(name, [*catalogue(), *self.own_models], suggest=False)
            if match.model_id and match.catalogue_id is None:
                self.own_models[match.model_id] = self._look_up(match.model_id)
                return self.own_models[match.model_id]
        return load(name)

    def known_model(self, name: str) -> Architecture | None:
        """The architecture of that name if it is known here; what is not is neither asked for nor spelled better.

        Raises:
            ProfilingError: It is known and cannot be counted.
        """
        if name in catalogue():
            return architecture(name)
        if name in self.own_models:
            return self.own_models[name]
        if name in same_shapes():
            return architecture(name)
        match = resolve_model(name, [*catalogue(), *self.own_models], suggest=False)
        if match.catalogue_id is None:
            return None
        return self.own_models.get(match.catalogue_id) or load(name)

    def judged_model(self, model_id: str) -> Architecture | None:
        """The shapes of a judged model under its own name; the format of a copy that somebody quantised is not its own.

        None where they are not known, or where the name has no address on the hub, so that nobody could run it.
        """
        if model_id not in self._named:
            self._named[model_id] = self._judged(model_id)
        return self._named[model_id]

    def _judged(self, model_id: str) -> Architecture | None:
        if "/" not in model_id:
            return None
        match = resolve_model(model_id, [*catalogue(), *self.own_models], suggest=False)
        if match.catalogue_id is None:
            return None
        try:
            model = self.model(match.catalogue_id)
        except ProfilingError:
            return None
        if model.kind != "decoder":
            return None
        if model.name == model_id:
            return model
        copied = states_format(model.name) and not states_format(model_id)
        named = under_name(model, model_id)
        return replace(named, published_format=BF16) if copied else named

    def model_choices(self, kind: str | None = None) -> list[str]:
        """Models that can be asked about: those of the catalogue and one's own, in alphabetical order."""
        own = [name for name, model in self.own_models.items() if kind in {None, model.kind}]
        return sorted({*model_choices(kind), *own}, key=str.casefold)

    def device(self, name: str) -> Accelerator:
        """The accelerator of that name; punctuation, case and unambiguous shortening are forgiven.

        Raises:
            UnknownAccelerator: None or several match; the message names the nearest.
        """
        return find(name, self.devices)

    def devices_alike(self, name: str) -> tuple[Accelerator, int]:
        """The device and how many of it a name means, as `2x3090`.

        Raises:
            UnknownAccelerator: None or several kinds match; the message says what to do.
        """
        fleet = resolve_device(name, self.devices).fleet
        if fleet.is_mixed:
            raise UnknownAccelerator(
                f"{fleet.name} are different devices, which can only share a model by layers: ask what fits on them "
                f"(`skyline fit MODEL {name!r}`, `/fit`) or what to run (`skyline advise {name!r}`)"
            )
        return fleet.devices[0], len(fleet.devices)

    def price(self, accelerator: str, *, spot: bool = False) -> Price | None:
        """The price that costs are computed with: the market's median; None where nobody offers the device."""
        name = self.device(accelerator).name
        return typical_price(name, self._offers.get(name, ()), spot=spot)

    def usd_per_device_hour(self, accelerator: str, *, spot: bool = False) -> float | None:
        """Its price, or None where none is known."""
        price = self.price(accelerator, spot=spot)
        return price.usd_per_device_hour if price else None

    def api_price(self, model_id: str, input_share: float) -> ApiPrice | None:
        """What the tokens of a model cost from its hosts; None where nobody lists it, or no table says.

        Args:
            model_id: Its address on the hub.
            input_share: Input tokens that are paid for per output token.
        """
        return api_price(model_id, self._listed("core.api_prices", "hf_model_id", model_id), input_share)

    def purchase_price(self, accelerator: str) -> Purchase | None:
        """What a new device costs to own; None where nobody lists it, or no table says."""
        name = self.device(accelerator).name
        return purchase_price(name, self._listed("core.hardware_purchase_prices", "accelerator", name))

    @cached_property
    def tariff(self) -> tuple[float, float, float] | None:
        """Low, median and high dollars per kWh that companies pay; None where no table says."""
        return None if self._market is None else typical_tariff(self._market("core.electricity_prices").to_dicts())

    def _listed(self, table: str, column: str, value: str) -> Rows:
        if self._market is None:
            return ()
        if table not in self._tables:
            self._tables[table] = self._market(table)
        return self._tables[table].filter(pl.col(column) == value).to_dicts()

    @cached_property
    def _tables(self) -> dict[str, pl.DataFrame]:
        return {}

    @cached_property
    def _offers(self) -> Mapping[str, Rows]:
        offers: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.prices:
            offers.setdefault(str(row["accelerator"]), []).append(row)
        return offers

    def grams_co2e_per_kwh(self, country: str) -> float:
        """Carbon intensity of a country's electricity.

        Raises:
            InvalidWorkload: No such country; the message names the nearest.
        """
        return grid_intensity(country, self.grids)

    # Answers ---------------------------------------------------------------------------------------------------------

    def formatted(self, question: Question) -> Question:
        """The question with the format that is asked for, or that its model's name states; None: as published."""
        named = self._stated(question)
        weight_format = question.weight_format if named is None else named.weight_format
        return replace(question, weight_format=None if weight_format == AS_PUBLISHED else weight_format)

    def format_note(self, question: Question) -> str:
        """On what the format rests that only the model's name states; empty where one is asked for, or as published."""
        named = self._stated(question)
        return f"Weights in {named.weight_format}: {named.evidence}." if named and named.weight_format else ""

    def _stated(self, question: Question) -> ModelName | None:
        """What a model's name says, where no format is asked for beside it; a file says by itself how it is stored."""
        has_format = question.weight_format or question.weight_bits is not None
        if has_format or question.model in catalogue() or is_path(question.model):
            return None
        return resolve_model(question.model, [*catalogue(), *self.own_models], suggest=False)

    def settled(self, question: Question) -> Question:
        """The question with its names resolved: the model, the format that its name states, the devices, the engine.

        Raises:
            UnknownModel, UnknownAccelerator: A name means none, or several; the message names the nearest.
            InvalidWorkload: As many devices are named as the split does not have.
        """
        device, devices = self.devices_alike(question.accelerator)
        model = self.model(question.model)
        # What was read from a file is found again by its path alone.
        model_name = model.name if model.name in catalogue() or model.name in self.own_models else question.model
        engine = question.engine or engine_for(model, device, self.formatted(question).weight_format)
        stated, split = Parallelism(question.tensor, question.pipeline), split_over(model, devices, engine)
        if devices > 1 and stated.devices > 1:
            if stated.devices != devices:
                raise InvalidWorkload(f"{question.accelerator!r} is {devices} devices; tp × pp is {stated.devices}")
            split = stated
        if devices > 1:
            question = replace(question, tensor=split.tensor, pipeline=split.pipeline)
        return replace(
            self.formatted(question), model=model_name, accelerator=device.name, engine=engine,
        )  # fmt: skip

    answer: Callable[[Question], Answer]
    """The answer to one question, kept for whoever asks again.

    Raises:
        ProfilingError: The question cannot be asked so; the message names the nearest that can.
    """

    def _answer(self, query: Question) -> Answer:
        question = self.settled(query)
        model, device = self.variant(question), self.device(question.accelerator)
        workload, engine = question.workload_of(model), question.engine or ENGINE
        fitted = self.kernels(device, engine)
        extra, drafts = 0.0, None
        if question.lora_rank:
            targets = adapter_targets(model, question.lora_targets)
            extra += question.lora_count * adapter_parameters(model, question.lora_rank, targets) * ADAPTER_BITS / 8
            adapters = Adapters(rank=question.lora_rank, targets=frozenset(targets), count=question.lora_count)
            workload = replace(workload, adapters=adapters)
        if question.draft:
            drafts = drafting(model, question.draft_model, workload, device, engine, self.model)
            workload = replace(workload, draft_cost=drafts.cost)
            extra += drafts.weight_bytes + drafts.cache_bytes
        images = images_of(model, question.image_tokens, workload, device, engine)
        sounds = images_of(model, question.audio_tokens, workload, device, engine, "audio tower")

        def ask(stage: Stage) -> Estimate:
            generated = question.generated if stage == "generate" else 0
            work = replace(workload, stage=stage, generated=generated)
            share = extra / workload.parallelism.devices
            step = estimate(model, device, work, fitted, engine, extra_bytes=share, profile=question.profile(engine))
            for read in (images, sounds):
                step = step if read is None or stage == "decode" else read.before(step)
            return step

        main = ask(workload.stage)
        # What cannot be asked of the other stage is refused at once, though it is estimated when it is needed.
        if model.kind != "encoder" and (other := OTHER_STAGE.get(workload.stage)):
            replace(workload, stage=other, generated=0).check(model)
        usd = grams = None
        if main.tokens_per_s is not None and self.grids:
            price = self.usd_per_device_hour(device.name, spot=question.spot) if device.name in self.devices else None
            intensity = self.grams_co2e_per_kwh(question.country)
            cost = serving_cost(main, device, usd_per_device_hour=price, grams_co2e_per_kwh=intensity)
            usd, grams = cost.usd_per_million_tokens, cost.grams_co2e_per_million_tokens
        return Answer(
            question=question, model=model, device=device, estimate=main, ask=ask,
            usd_per_million_tokens=usd, grams_co2e_per_million_tokens=grams,
            calibrations=self.calibrations.get(device.name, ()), drafting=drafts, images=images, sounds=sounds,
            assumed=tuple(
                filter(None, (resolve_device(query.accelerator, self.devices).note, self.format_note(query)))
            ),
        )  # fmt: skip

    def variant(self, question: Question) -> Architecture:
        """The model of a question as it is pruned, and with the vocabulary asked for."""
        model = self.model(question.model)
        if question.pruning is not None:
            model = pruning_of(question.pruning).of(model)
        return model if question.vocabulary is None else with_vocabulary(model, question.vocabulary)

    def require_fit(self, question: Question) -> None:
        """Nothing, if the configuration fits or may fit.

        Raises:
            DoesNotFit: The message says how much is missing and how many devices would do.
        """
        question = self.settled(question)
        model = self.variant(question)
        profile = question.profile(question.engine or ENGINE)
        require_fit(model, self.device(question.accelerator), question.workload_of(model), profile)

    def operator_rows(self, question: Question) -> list[dict[str, Any]]:
        """One row per operator of the pass; of a generation, of the decode step in its middle."""
        answer = self.answer(question)
        if answer.estimate.workload.stage == "generate":
            middle = replace(question, stage="decode", context=question.context + question.generated // 2)
            answer = self.answer(middle)
        return occurrence_rows(answer.estimate.operators, answer.question_columns())


def shipped_door(
    prices: Iterable[Mapping[str, Any]] = (),
    grids: Iterable[Mapping[str, Any]] = (),
    *,
    market: Callable[[str], pl.DataFrame] | None = None,
    own_models: Mapping[str, Architecture] | None = None,
    look_up: Callable[[str], Architecture] | None = None,
) -> Door:
    """A door with the devices and calibrations that ship, for where there is no warehouse."""
    return Door(
        shipped_accelerators(),
        by_device(shipped()),
        tuple(prices),
        tuple(grids),
        market=market,
        own_models=own_models,
        look_up=look_up,
    )
