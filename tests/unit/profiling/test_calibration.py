"""What calibrated kernel times promise: a bound nothing physical beats, held-out errors, an honest interval."""

import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.kernels.read import device_of
from profiling.calibration.calibrate import (
    DEFAULT_INTERVAL,
    Calibration,
    UnusableKernels,
    above_roof,
    bound_s,
    calibrate,
    peaks_of,
)
from profiling.calibration.fit import fold_of, law_time_s, shape_groups
from profiling.calibration.kernels import OPERATOR_CLASSES, UnreadableKernelTable, read_kernels
from profiling.calibration.laws import Peaks, law_of

H200 = Peaks({"bf16": 989e12, "fp8": 1979e12}, 4.8e12, cache_bytes=50e6, multiprocessors=132)
GEMM = {"m": [1, 16, 128, 1000, 8192], "n": [1024, 4096, 4096, 512, 8192], "k": [1024, 4096, 14336, 64, 8192]}
ATTENTION = {
    "batch_size": [1, 8, 64, 256],
    "sequence_length": [1, 4096, 512, 100],
    "query_heads": [32, 32, 64, 128],
    "key_value_heads": [8, 32, 8, 1],
    "head_dim": [128, 64, 128, 256],
}


def calibrated(folder: Path, peaks: Peaks = H200) -> tuple[list[Calibration], pl.DataFrame]:
    """Calibrations of one accelerator's tables, and every rejected row."""
    tables = read_kernels(folder)
    return calibrate(tables.kernels, peaks), pl.concat([tables.rejected, above_roof(tables.kernels, peaks)])


def unfitted(operator_class: str) -> Calibration:
    """The law at its starting values."""
    return Calibration("h200", operator_class, H200, {}, DEFAULT_INTERVAL)


def write_gemm_table(folder: Path, rows: pl.DataFrame) -> Path:
    """A table in the published layout; `rows` has gemm_dtype, m, n, k and latency in milliseconds."""
    folder.mkdir(parents=True, exist_ok=True)
    rows.with_columns(framework=pl.lit("TEST"), version=pl.lit("1"), device=pl.lit("NVIDIA H200")).write_parquet(
        folder / "gemm_perf.parquet"
    )
    return folder


def law_abiding_gemm(noise: float = 0.0) -> pl.DataFrame:
    """GEMM kernels whose time is the law itself at known parameters, times log-normal noise."""
    sizes = [64, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 16384]
    rows = pl.DataFrame(
        [(m, n, k) for m in (1, 7, 16, 48, 128, 320, 1024, 4096) for n in sizes for k in sizes],
        schema=["m", "n", "k"],
        orient="row",
    )
    shapes = {name: rows[name].to_numpy().astype(float) for name in "mnk"}
    time = law_time_s("gemm_bf16", {"all": known_parameters()}, shapes, H200)
    time *= np.exp(noise * np.random.default_rng(3).standard_normal(len(time)))
    return rows.with_columns(gemm_dtype=pl.lit("bfloat16"), latency=pl.Series(time * 1e3))


def known_parameters() -> dict[str, float]:
    values = {each.name: each.start for each in law_of("gemm_bf16").parameters}
    return values | {"launch_overhead_us": 4.0, "bandwidth_efficiency": 0.7, "compute_efficiency": 0.62}


def shapes_of(operator_class: str) -> dict[str, list[int]]:
    return GEMM if operator_class.startswith("gemm") else ATTENTION


@pytest.fixture(scope="module")
def h200(shared_data: Path) -> tuple[dict[str, Calibration], pl.DataFrame]:
    calibrations, rejected = calibrated(shared_data / "kernels" / "h200_sxm")
    return {each.operator_class: each for each in calibrations}, rejected


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator_class", "mape_pct"),
    [("gemm_bf16", 7), ("gemm_fp8", 10), ("prefill_attention", 10), ("decode_attention", 20)],
)
def test_h200_shapes_never_seen_are_predicted_within_the_target(
    h200: tuple[dict[str, Calibration], pl.DataFrame], operator_class: str, mape_pct: float
) -> None:
    calibration = h200[0][operator_class]
    assert calibration.held_out_mape_pct is not None
    assert calibration.held_out_mape_pct <= mape_pct
    assert calibration.interval_coverage_pct is not None
    assert 75 <= calibration.interval_coverage_pct <= 85
    for parameters in calibration.parameters.values():
        assert set(parameters) == {each.name for each in law_of(operator_class).parameters}


@pytest.mark.data
def test_no_h200_or_a100_gemm_or_prefill_kernel_lies_below_the_bound(shared_data: Path) -> None:
    kernels = read_kernels(shared_data / "kernels").kernels
    for (accelerator,), part in kernels.group_by("accelerator"):
        peaks = peaks_of(device_of(part["device"][0], str(accelerator)))
        tables = part.filter(pl.col("operator_class") != "decode_attention")
        assert above_roof(tables, peaks).height == 0, accelerator


@pytest.mark.data
def test_gemm_inputs_left_in_cache_are_what_the_bound_must_forgive(shared_data: Path) -> None:
    # 32768 x 32 x 512 takes 6.84 µs on the H200: 5.2 TB/s, because its 33.6 MB of inputs stay in the 50 MB cache.
    kernels = read_kernels(shared_data / "kernels" / "h200_sxm").kernels
    gemm = kernels.filter(pl.col("operator_class") == "gemm_bf16")
    without_cache = Peaks(H200.flops_per_s, H200.bytes_per_s)
    assert above_roof(gemm, without_cache).height == 3
    assert above_roof(gemm, H200).height == 0


@pytest.mark.data
def test_a100_decode_rows_faster_than_memory_are_rejected_with_the_reason(shared_data: Path) -> None:
    kernels = read_kernels(shared_data / "kernels" / "a100_sxm").kernels
    decode = kernels.filter(pl.col("operator_class") == "decode_attention")
    peaks = peaks_of(device_of(decode["device"][0], "a100_sxm"))
    rejected = above_roof(decode, peaks)
    assert rejected.height == 351
    # 4.3 GB of keys and values in 1.243 ms: 3.46 TB/s of a part that has 2.04.
    fastest = decode.filter(
        (pl.col("batch_size") == 64) & (pl.col("sequence_length") == 16384) & (pl.col("key_value_heads") == 8)
    ).sort("latency_s")
    reason = rejected.filter(pl.col("source_row") == fastest["source_row"][0])["reason"].item()
    assert "above its roof" in reason
    assert "3.46 TB/s" in reason


@pytest.mark.data
def test_the_hardware_facts_give_the_peaks_the_tests_use(shared_data: Path) -> None:
    with (shared_data.parent / "facts" / "hardware_peaks.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == "H200-SXM-141GB")
    assert peaks_of(device_of("NVIDIA H200", "h200_sxm")) == H200
    assert H200.flops_per_s["bf16"] == float(row["fp16_bf16_dense_tflops"]) * 1e12
    assert H200.bytes_per_s == float(row["mem_bw_GBps"]) * 1e9


@pytest.mark.data
def test_kernel_formats_outside_the_four_classes_are_rejected_by_name(shared_data: Path) -> None:
    rejected = read_kernels(shared_data / "kernels").rejected
    counts = dict(rejected.group_by("reason").len().rows())
    assert {reason.split()[1]: count for reason, count in counts.items()} == {
        "fp8_block": 29268,
        "int8_wo": 6048,
        "int4_wo": 6048,
        "sq": 6048,
    }


def test_a_known_law_is_recovered_and_its_unseen_shapes_predicted(tmp_path: Path) -> None:
    folder = write_gemm_table(tmp_path / "h200", law_abiding_gemm())
    (calibration,), rejected = calibrated(folder)
    assert rejected.height == 0
    assert calibration.held_out_mape_pct is not None
    assert calibration.held_out_mape_pct < 0.5
    fitted, known = calibration.parameters["all"], known_parameters()
    for name in ("launch_overhead_us", "bandwidth_efficiency", "compute_efficiency"):
        assert fitted[name] == pytest.approx(known[name], rel=0.05), name


def test_the_interval_is_as_wide_as_the_noise(tmp_path: Path) -> None:
    folder = write_gemm_table(tmp_path / "h200", law_abiding_gemm(noise=0.1))
    (calibration,), _ = calibrated(folder)
    likely, low, high = calibration.predict_s({"m": 16, "n": 8192, "k": 8192})
    # 80 % of a normal lie within 1.28 standard deviations.
    assert np.log(high / low)[0] == pytest.approx(2 * 1.2816 * 0.1, rel=0.3)
    assert low[0] < likely[0] < high[0]
    assert calibration.interval_coverage_pct is not None
    assert 75 <= calibration.interval_coverage_pct <= 85


def test_a_row_above_the_roof_is_rejected_and_does_not_teach(tmp_path: Path) -> None:
    rows = law_abiding_gemm()
    # 8192³ in 0.1 ms would be 11 PFLOP/s.
    lie = rows.head(1).with_columns(**dict.fromkeys("mnk", pl.lit(8192, pl.Int64)), latency=pl.lit(0.1))
    honest = calibrated(write_gemm_table(tmp_path / "honest", rows))[0][0]
    (calibration,), rejected = calibrated(write_gemm_table(tmp_path / "lying", pl.concat([rows, lie])))
    assert rejected["reason"].to_list()[0].startswith("above its roof: 100.0 µs measured")
    assert calibration.below_bound_pct == pytest.approx(100 / (rows.height + 1))
    assert calibration.kernels == honest.kernels
    assert calibration.parameters == honest.parameters


def test_unusable_rows_carry_their_reason_and_repeats_count_once(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "gemm_dtype": ["bfloat16", "bfloat16", "bfloat16", "bfloat16", "bfloat16", "int4_wo"],
            "m": [16, 16, 16, 0, 8, 8],
            "n": [64] * 6,
            "k": [64] * 6,
            "latency": [0.003, 0.009, 0.004, 0.003, float("nan"), 0.003],
        }
    )
    tables = read_kernels(write_gemm_table(tmp_path / "gpu", rows))
    assert tables.kernels["latency_s"].to_list() == [pytest.approx(4e-6)]
    assert tables.rejected.sort("source_row")["reason"].to_list() == [
        "the shape was measured 3 times; its median row is kept",
        "the shape was measured 3 times; its median row is kept",
        "m, n and k must be positive",
        "the latency is not a positive number",
        "gemm_dtype int4_wo is not calibrated; only bfloat16 and fp8 are",
    ]


def test_a_folder_without_tables_or_a_table_without_a_column_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableKernelTable, match=r"holds none of gemm_perf\.parquet"):
        read_kernels(tmp_path)
    pl.DataFrame({"m": [1]}).write_parquet(tmp_path / "gemm_perf.parquet")
    with pytest.raises(UnreadableKernelTable, match="lacks the columns framework"):
        read_kernels(tmp_path)
    (tmp_path / "gemm_perf.parquet").write_text("not parquet")
    with pytest.raises(UnreadableKernelTable, match="cannot be read as Parquet"):
        read_kernels(tmp_path)


def test_too_few_kernels_are_refused_rather_than_fitted(tmp_path: Path) -> None:
    folder = write_gemm_table(tmp_path / "h200", law_abiding_gemm().head(20))
    with pytest.raises(UnusableKernels, match="20 of 20 kernels are sound; at least 60"):
        calibrated(folder)


def test_one_weight_matrix_is_refused_because_nothing_can_be_held_out(tmp_path: Path) -> None:
    rows = pl.DataFrame({"gemm_dtype": "bfloat16", "m": range(1, 101), "n": 64, "k": 64, "latency": 0.003})
    with pytest.raises(UnusableKernels, match="1 groups of shapes; holding shapes out needs at least 5"):
        calibrated(write_gemm_table(tmp_path / "h200", rows))


def test_kernels_of_a_format_the_device_has_no_peak_for_are_rejected_not_fitted(tmp_path: Path) -> None:
    rows = law_abiding_gemm()
    foreign = rows.head(5).with_columns(gemm_dtype=pl.lit("fp8"))
    folder = write_gemm_table(tmp_path / "gpu", pl.concat([rows, foreign]))
    only_16_bit = Peaks({"bf16": 989e12}, 4.8e12, 50e6, 132)
    calibrations, rejected = calibrated(folder, only_16_bit)
    assert [each.operator_class for each in calibrations] == ["gemm_bf16"]
    assert calibrations[0].below_bound_pct == 0
    assert rejected["reason"].to_list() == ["no data-sheet peak for fp8 to hold it to"] * 5


def test_a_calibration_survives_json_and_predicts_the_same(tmp_path: Path) -> None:
    folder = write_gemm_table(tmp_path / "h200", law_abiding_gemm(noise=0.05))
    (calibration,), _ = calibrated(folder)
    again = Calibration.from_json(calibration.to_json())
    for ours, theirs in zip(calibration.predict_s(GEMM), again.predict_s(GEMM), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert json.loads(json.dumps(again.to_row())) == calibration.to_row()


@pytest.mark.parametrize("operator_class", OPERATOR_CLASSES)
def test_without_measurements_defaults_answer_with_a_wide_interval_and_no_error_figure(
    operator_class: str,
) -> None:
    calibration = unfitted(operator_class)
    likely, low, high = calibration.predict_s(shapes_of(operator_class))
    bound = calibration.bound_s(shapes_of(operator_class))
    assert calibration.kernels == 0
    assert calibration.held_out_mape_pct is None
    assert np.all(high >= 2 * likely)
    assert np.all((bound <= low) & (low <= likely))


def test_groups_hold_out_whole_weight_matrices_and_head_geometries() -> None:
    shapes = {"m": np.array([1.0, 9, 1, 9]), "n": np.array([8.0, 8, 16, 16]), "k": np.array([4.0, 4, 4, 4])}
    groups = shape_groups("gemm_bf16", shapes)
    assert groups.tolist() == [0, 0, 1, 1]
    fold = fold_of(groups)
    assert fold[0] == fold[1] != fold[2] == fold[3]


def assert_grows(operator_class: str, small: dict[str, list[int]], grown: str) -> None:
    """Doubling `grown` takes no less time, and bound, interval and prediction stand in their order."""
    calibration = unfitted(operator_class)
    large = small | {grown: [2 * value for value in small[grown]]}
    before, after = calibration.predict_s(small), calibration.predict_s(large)
    assert np.all(before[0] <= after[0] * (1 + 1e-9))
    for shapes, (likely, low, high) in ((small, before), (large, after)):
        assert np.all(calibration.bound_s(shapes) <= low)
        assert np.all((low <= likely) & (likely <= high))


SIZE = st.integers(1, 20000)


@given(st.sampled_from(["gemm_bf16", "gemm_fp8"]), st.lists(st.tuples(SIZE, SIZE, SIZE), min_size=1, max_size=40),
       st.sampled_from("mnk"))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_a_larger_gemm_never_takes_less_time_and_never_less_than_its_bound(
    operator_class: str, sizes: list[tuple[int, int, int]], grown: str
) -> None:
    assert_grows(operator_class, {name: [size[axis] for size in sizes] for axis, name in enumerate("mnk")}, grown)


HEADS = st.sampled_from([(32, 8), (32, 32), (128, 1), (16, 2)])


@given(
    st.sampled_from(["prefill_attention", "decode_attention"]),
    st.lists(st.tuples(st.integers(1, 512), st.integers(1, 60000), HEADS), min_size=1, max_size=40),
    st.sampled_from([64, 128, 192, 256]),
    st.sampled_from([0, 128, 4096]),
    st.sampled_from([(16, 16), (16, 8), (8, 8)]),
    st.sampled_from(["batch_size", "sequence_length"]),
)
@settings(max_examples=40, deadline=None)
def test_more_sequences_or_longer_ones_never_take_less_attention_time(
    operator_class: str,
    sizes: list[tuple[int, int, tuple[int, int]]],
    head_dim: int,
    window: int,
    bits: tuple[int, int],
    grown: str,
) -> None:
    count = len(sizes)
    small = {
        "batch_size": [size[0] for size in sizes],
        "sequence_length": [size[1] for size in sizes],
        "query_heads": [size[2][0] for size in sizes],
        "key_value_heads": [size[2][1] for size in sizes],
        "head_dim": [head_dim] * count,
        "window_size": [window] * count,
        "operand_bits": [bits[0]] * count,
        "key_value_bits": [bits[1]] * count,
    }
    assert_grows(operator_class, small, grown)


def test_the_bound_counts_causal_pairs_and_the_window_band_exactly() -> None:
    small = Peaks({"bf16": 1.0, "fp8": 2.0}, 1e30)
    shape = {"batch_size": 2, "sequence_length": 10, "query_heads": 4, "key_value_heads": 2, "head_dim": 8}
    causal = sum(min(query + 1, 10) for query in range(10))
    band = sum(min(query + 1, 3) for query in range(10))
    assert bound_s("prefill_attention", shape, small)[0] == 4 * 2 * 4 * 8 * causal
    assert bound_s("prefill_attention", shape | {"window_size": 3}, small)[0] == 4 * 2 * 4 * 8 * band
    # Eight-bit keys let the products run at the 8-bit peak.
    assert bound_s("prefill_attention", shape | {"key_value_bits": 8}, small)[0] == 2 * 2 * 4 * 8 * causal


def test_a_missing_column_or_a_size_of_zero_is_named() -> None:
    calibration = unfitted("gemm_bf16")
    with pytest.raises(UnusableKernels, match=r"needs m, n, k.*; k missing"):
        calibration.predict_s({"m": 1, "n": 2})
    with pytest.raises(UnusableKernels, match="m must be at least 1"):
        calibration.predict_s({"m": 0, "n": 2, "k": 2})
    with pytest.raises(UnusableKernels, match="no peak for fp8"):
        bound_s("gemm_fp8", {"m": 1, "n": 2, "k": 2}, Peaks({"bf16": 3e14}, 2e12))
