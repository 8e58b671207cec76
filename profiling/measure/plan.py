"""From a grid to an ordered list of points: what is asked, in which order, how long and how much memory by prediction.

A plan carries the configs of its models, so that the node it is copied to needs nothing but the plan.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from profiling.errors import ProfilingError, UnsupportedModelType, nearest
from profiling.foreign import json_object, parse_json, text_of
from profiling.measure.bundle import canonical_id, digest
from profiling.measure.model.shape import shape_of
from profiling.measure.prediction import Ceilings, memory_of, predict
from profiling.models.families.traits import form_of
from profiling.models.sources import catalogue

SCHEMA = 1
STAGES = ("prefill", "decode", "encode")
PRECISIONS = ("float32", "bfloat16", "float16", "int8", "fp8", "int8_emulated")
KERNELS = ("auto", "math", "flash", "efficient", "cudnn")
EXECUTIONS = ("eager", "graph")
BACKENDS = ("plain", "transformers")
_AXES = ("stages", "batches", "contexts", "precisions", "attention_kernels", "executions")
_DEFAULTS: Mapping[str, Any] = {
    "stages": ["prefill", "decode"], "batches": [1], "contexts": [128], "precisions": ["bfloat16"],
    "attention_kernels": ["auto"], "executions": ["eager"], "exclude": [], "threads": None, "seed": 1, "weights": {},
    "name": "sweep", "backend": "auto",
}  # fmt: skip
_ALLOWED = {
    "stages": STAGES, "precisions": PRECISIONS, "attention_kernels": KERNELS, "executions": EXECUTIONS,
}  # fmt: skip
_MOST_VALUES = 200_000
_MOST_POINTS = 100_000
_LARGEST_AXIS = 1 << 40
# What a point that ran out of memory rules out: the same in all of these, and at least as large in the sizes.
FIXED_AXES = ("model", "stage", "precision", "attention_kernel", "execution", "backend")
SIZE_AXES = ("batch", "context")


class InvalidPlan(ProfilingError):
    """A grid or a plan that cannot be run as it is written; the message names the field."""


def read_grid(path: Path) -> dict[str, Any]:
    """A grid in YAML, JSON or TOML, by the end of its name; YAML needs PyYAML, TOML Python 3.11.

    Raises:
        InvalidPlan: The file is not there, not readable here, or not a mapping.
    """
    text = text_of(path)
    try:
        loaded = _parse(text, path.suffix.lower())
    except ImportError as error:
        raise InvalidPlan(f"{path.suffix} cannot be read here ({error}); write the grid as JSON") from error
    except (ValueError, RecursionError) as error:
        raise InvalidPlan(f"{path} is not valid {path.suffix.lstrip('.')}: {error}") from error
    if not isinstance(loaded, dict):
        raise InvalidPlan(f"{path} holds {type(loaded).__name__}, expected fields such as `models` and `batches`")
    _require_plain(loaded, path)
    return loaded


def _require_plain(document: Any, path: Path) -> None:
    """Stop at values that JSON does not have, and where names for parts (`*name` of YAML) unfold beyond all bounds."""
    waiting, count = [document], 0
    while waiting:
        each = waiting.pop()
        count += 1
        if count > _MOST_VALUES:
            raise InvalidPlan(f"{path} unfolds to more than {_MOST_VALUES:,} values")
        if isinstance(each, dict):
            if odd := next((key for key in each if not isinstance(key, str)), None):
                raise InvalidPlan(f"{path}: the name of a field is {odd!r}, not text")
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif each is not None and not isinstance(each, str | int | float):
            raise InvalidPlan(f"{path}: {each} is a {type(each).__name__}; only text, numbers and truth values can be")


def _parse(text: str, suffix: str) -> Any:
    if suffix in {".yaml", ".yml"}:
        yaml = importlib.import_module("yaml")
        try:
            return yaml.safe_load(text)
        except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:  # odd tags end in any of these
            raise ValueError(str(error)) from error
    if suffix == ".toml":
        return importlib.import_module("tomllib").loads(text)
    return parse_json(text)


def config_of(model: str) -> dict[str, Any]:
    """The `config.json` of a path or of a name of the catalogue.

    Raises:
        InvalidPlan: Neither; the message names the nearest.
    """
    path = Path(model)
    file = next(filter(_is_file, (path / "config.json", path)), None)
    if file is not None:
        return json_object(text_of(file), str(file), InvalidPlan)
    models = catalogue()
    matches = [name for name in models if model.casefold() in {name.casefold(), name.split("/")[-1].casefold()}]
    if len(matches) == 1:
        return models[matches[0]].config()
    near = ", ".join(matches) or nearest(model, models)
    raise InvalidPlan(f"model {model!r} is neither a path nor in the catalogue{f'; nearest: {near}' if near else ''}")


def make_plan(grid: Mapping[str, Any], ceilings: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """An ordered plan of a grid: within a model, format and kernel small sizes first, so that a lack of memory prunes.

    Args:
        grid: `models` (names, paths, or a mapping of names to configs), the axes `stages`, `batches`, `contexts`,
            `precisions`, `attention_kernels`, `executions`, and `exclude` (partial points), `threads`, `seed`,
            `weights` (checkpoint folders by model), `name`, and `backend`: `plain`, `transformers`, or `auto`, which
            takes plain torch for every family that is built in it.
        ceilings: Rows measured on the device; they predict times.

    Raises:
        InvalidPlan: A field is unknown, empty or outside its vocabulary, or nothing is left to run.
    """
    unknown = set(grid) - {*_DEFAULTS, "models"}
    if unknown:
        raise InvalidPlan(f"unknown field {min(unknown)!r}; nearest: {nearest(min(unknown), [*_DEFAULTS, 'models'])}")
    spec = {**_DEFAULTS, **grid}
    _check(spec)
    models = spec["models"]
    configs = dict(models) if isinstance(models, Mapping) else {_name(model): config_of(str(model)) for model in models}
    for name, config in configs.items():
        if not isinstance(config, Mapping):
            raise InvalidPlan(f"`models`: {name} holds {type(config).__name__}, expected the fields of a config.json")
    size = len(configs) * math.prod(len(spec[axis]) for axis in _AXES)
    if size > _MOST_POINTS:
        raise InvalidPlan(f"the grid has {size:,} points; the most is {_MOST_POINTS:,}")
    points = []
    for name, config in configs.items():
        form = form_of(str(config.get("model_type")))
        encoder = form is not None and form.is_encoder
        for values in product(*(spec[axis] for axis in _AXES)):
            stage, batch, context, precision, kernel, execution = values
            if (stage == "encode") != encoder:
                if stage != "prefill" or not encoder:
                    continue
                stage = "encode"  # a grid of both kinds asks an encoder for its one pass
            point = {
                "model": name, "model_type": config.get("model_type"), "config_sha256": _digest(config),
                "stage": stage, "batch": batch, "context": context, "precision": precision,
                "attention_kernel": kernel, "execution": execution, "backend": _backend(spec["backend"], name, config),
                "threads": spec["threads"], "seed": spec["seed"], "weights": spec["weights"].get(name),
            }  # fmt: skip
            if not any(_matches(point, rule) for rule in spec["exclude"]):
                points.append({"point_id": canonical_id(point), **point})
    unique = {point["point_id"]: point for point in points}
    ordered = sorted(unique.values(), key=lambda p: ([*configs].index(p["model"]), *_order(p)))
    if not ordered:
        raise InvalidPlan("nothing is left to run: the grid is empty after `exclude`")
    ordered = [point | _predicted(point, configs[point["model"]], ceilings) for point in ordered]
    plan = {"schema": SCHEMA, "name": spec["name"], "models": configs, "points": ordered}
    return {"run_id": canonical_id(plan), **plan}


def _backend(backend: str, model: str, config: Mapping[str, Any]) -> str:
    if backend != "auto":
        return backend
    try:
        shape_of(config, model)
    except UnsupportedModelType:
        return "transformers"
    except ProfilingError:
        pass  # said again, with its reason, when the point is run
    return "plain"


def _name(model: object) -> str:
    path = Path(str(model))
    if _is_file(path / "config.json"):
        return path.name
    return path.stem if _is_file(path) else str(model)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long for a name, or no name at all
        return False


def _digest(config: Mapping[str, Any]) -> str:
    return digest(json.dumps(config, sort_keys=True).encode())


def _order(point: Mapping[str, Any]) -> tuple[Any, ...]:
    kind = (PRECISIONS.index(point["precision"]), KERNELS.index(point["attention_kernel"]))
    rest = (EXECUTIONS.index(point["execution"]), STAGES.index(point["stage"]))
    return (*kind, *rest, point["batch"] * point["context"], point["batch"])


def _matches(point: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
    return all(point.get(name) in (wanted if isinstance(wanted, list) else [wanted]) for name, wanted in rule.items())


def _check(spec: Mapping[str, Any]) -> None:
    if not spec.get("models") or not isinstance(spec["models"], list | Mapping):
        raise InvalidPlan("`models` is empty; name models of the catalogue, folders with a config.json, or configs")
    for axis in _AXES:
        values = spec[axis]
        if not isinstance(values, list) or not values:
            raise InvalidPlan(f"`{axis}` must be a list of at least one value, got {values!r}")
        for value in values:
            if axis in _ALLOWED and value not in _ALLOWED[axis]:
                raise InvalidPlan(f"`{axis}`: {value!r} is none of {', '.join(_ALLOWED[axis])}")
            if axis in {"batches", "contexts"} and (
                isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_AXIS
            ):
                raise InvalidPlan(f"`{axis}`: {str(value)[:40]} is not a positive whole number up to {_LARGEST_AXIS}")
    if spec["backend"] not in ("auto", *BACKENDS):
        raise InvalidPlan(f"`backend`: {str(spec['backend'])[:40]!r} is none of auto, {', '.join(BACKENDS)}")
    if not isinstance(spec["exclude"], list) or not all(isinstance(rule, Mapping) for rule in spec["exclude"]):
        raise InvalidPlan("`exclude` must be a list of partial points, as - {batch: 2, stage: prefill}")
    if not isinstance(spec["weights"], Mapping):
        raise InvalidPlan("`weights` must name a folder for each model")
    for rule in spec["exclude"]:
        odd = set(rule) - {*FIXED_AXES, *SIZE_AXES}
        if odd:
            raise InvalidPlan(f"`exclude`: {min(odd)!r} is none of {', '.join((*FIXED_AXES, *SIZE_AXES))}")


def _predicted(
    point: Mapping[str, Any], config: Mapping[str, Any], ceilings: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    try:
        prediction: dict[str, Any] = dict(memory_of(point, config))
    except ProfilingError as error:
        return {
            "predicted_peak_bytes": None,
            "predicted_peak_bytes_why": str(error),
            "predicted_s": None,
            "predicted_s_why": str(error),
        }
    if not ceilings:
        reason = "no ceilings were given; measure them with calibrate"
        return prediction | {"predicted_s": None, "predicted_s_why": reason}
    try:
        times = predict(point, config, Ceilings(tuple(ceilings), str(point["precision"])))
    except ProfilingError as error:
        return prediction | {"predicted_s": None, "predicted_s_why": str(error)}
    return prediction | {"predicted_s": times["uncorrected_s"], "bound_s": times["bound_s"]}


def shards(plan: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The plan dealt out into at most `count` plans; points that can rule each other out stay together.

    Raises:
        InvalidPlan: The count is not positive.
    """
    if count < 1:
        raise InvalidPlan(f"--shards {count}: needs at least one")
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for point in plan["points"]:
        groups.setdefault(tuple(point[axis] for axis in FIXED_AXES if axis != "stage"), []).append(point)
    parts: list[list[Any]] = [[] for _ in range(min(count, len(groups)))]
    for group in sorted(groups.values(), key=_weight, reverse=True):
        min(parts, key=_weight).extend(group)
    made = []
    for place, points in enumerate(parts):
        order = {point["point_id"]: index for index, point in enumerate(plan["points"])}
        points.sort(key=lambda point: order[point["point_id"]])
        models = {name: plan["models"][name] for name in dict.fromkeys(point["model"] for point in points)}
        shard = {
            "schema": SCHEMA,
            "name": f"{plan['name']}-{place + 1}-of-{len(parts)}",
            "models": models,
            "points": points,
        }
        made.append({"run_id": canonical_id(shard), **shard})
    return made


def _weight(points: Iterable[Mapping[str, Any]]) -> float:
    return sum(1.0 + (point.get("predicted_s") or 0.0) * 100 for point in points)


def load_plan(path: Path) -> dict[str, Any]:
    """A plan that was made before.

    Raises:
        InvalidPlan: It is not one.
    """
    try:
        plan = parse_json(text_of(path))
    except ProfilingError as error:
        raise InvalidPlan(f"{path} is not a plan: {error}") from error
    if not isinstance(plan, dict) or plan.get("schema") != SCHEMA or not plan.get("points"):
        raise InvalidPlan(
            f"{path} is not a plan of schema {SCHEMA}; make one with: profile plan GRID --out {path.name}"
        )
    return plan
