"""Statistics of a board against the libraries that define them, on known shapes and on the real board."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analytics.statistics import clusters, density, resampling, scaling, summaries
from analytics.statistics.components import components, correlations
from analytics.statistics.quantile_lines import quantile_line, slope_replicates
from analytics.statistics.resampling import Families, draw_families, family_numbers, interval, lines
from pipelines.defs.statistics.scaling import non_embedding_trend
from pipelines.sources.catalogue.facts import non_embedding_scores

RANDOM = np.random.default_rng(7)
SIZES = 2.0 ** np.linspace(-1, 6, 400)


def families(count: int, groups: int | None = None, replicates: int = 200) -> Families:
    """Each entry a family of its own, or in as many families as asked."""
    return draw_families(np.arange(count) % (groups or count), replicates)


def repeated(drawn: Families, replicate: int) -> np.ndarray:
    """Rows of a replicate, written out."""
    return np.repeat(np.arange(len(drawn.of_entry)), drawn.draws[replicate][drawn.of_entry].astype(int))


# Resampling ------------------------------------------------------------------------------------------------------


def test_models_of_unknown_family_stand_for_themselves() -> None:
    names = pl.Series(["a", "b", "c", "c", "d"])
    numbers = family_numbers(pl.Series(["llama", "llama", "unknown", None, "unknown"]), names)
    assert numbers[0] == numbers[1]
    assert numbers[2] == numbers[3]
    assert numbers.n_unique() == 3


@given(st.integers(1, 40), st.integers(1, 10))
def test_as_many_families_are_drawn_as_there_are(count: int, groups: int) -> None:
    drawn = families(count, groups, replicates=5)
    assert (drawn.draws.sum(axis=1) == min(count, groups)).all()
    assert drawn.sums(np.ones((count, 1))).shape == (5, 1)


def test_lines_through_sums_are_lines_through_the_rows_drawn() -> None:
    x, y = RANDOM.normal(size=60), RANDOM.normal(size=60)
    drawn = families(60, 12, replicates=5)
    intercepts, slopes = lines(drawn, x, y)
    for replicate in range(5):
        rows = repeated(drawn, replicate)
        assert (slopes[replicate], intercepts[replicate]) == pytest.approx(tuple(np.polyfit(x[rows], y[rows], 1)))


def test_an_interval_that_rests_on_too_few_replicates_is_none() -> None:
    assert interval(np.full(100, 3.0)) == (3.0, 3.0)
    assert interval(np.where(np.arange(100) < 20, np.nan, 3.0)) == (None, None)


def test_families_widen_an_interval_that_copies_would_narrow() -> None:
    score = RANDOM.normal(size=20)
    copies, kin = np.tile(score, 50), draw_families(np.tile(np.arange(20), 50), 400)
    alone = families(1000, replicates=400)

    def width(drawn: Families) -> float:
        count, total = drawn.sums(np.column_stack([np.ones(1000), copies])).T
        low, high = interval(total / count)
        return float(high or 0) - float(low or 0)

    assert width(kin) > 5 * width(alone)


# Lines -----------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
def test_quantile_lines_of_the_real_board_lose_no_more_than_those_of_statsmodels(
    final_board: pl.DataFrame, quantile: float
) -> None:
    from statsmodels.regression.quantile_regression import QuantReg  # noqa: PLC0415 - heavy, for this test alone

    sized = final_board.filter(pl.col("parameters_billion") > 0)
    x, y = sized["parameters_billion"].log(2).to_numpy(), sized["score"].to_numpy()

    def loss(line: np.ndarray) -> float:
        residual = y - line[0] - line[1] * x
        return float(np.where(residual < 0, quantile - 1, quantile) @ residual)

    theirs = QuantReg(y, np.column_stack([np.ones_like(x), x])).fit(q=quantile, max_iter=5000).params
    ours = np.array(quantile_line(x, y, quantile))
    assert loss(ours) <= loss(theirs) * (1 + 1e-9)
    assert ours == pytest.approx(theirs, abs=2e-3)


def test_replicates_of_a_quantile_line_are_the_lines_of_the_rows_drawn() -> None:
    x = RANDOM.normal(size=300)
    y = 2 * x + RANDOM.normal(size=300) * (1 + (x > 0))
    drawn = families(300, 60, replicates=8)
    centre = np.array([quantile_line(x, y, q)[1] for q in (0.5, 0.9)])
    slopes = slope_replicates(drawn, x, y, (0.5, 0.9), centre, spread=0.2)
    for replicate in range(8):
        rows = repeated(drawn, replicate)
        exact = [quantile_line(x[rows], y[rows], q)[1] for q in (0.5, 0.9)]
        assert slopes[replicate] == pytest.approx(exact, abs=0.12)  # one trial slope apart


def test_a_logarithm_has_no_knee_on_its_own_axis_and_always_one_on_the_linear_axis() -> None:
    score = 10 + 4 * np.log2(SIZES) + RANDOM.normal(size=400)
    shape = scaling.shape(SIZES, score, families(400))
    assert shape.reading == "steady"
    assert shape.curvature_lower is not None
    assert shape.curvature_upper is not None
    assert shape.curvature_lower < 0 < shape.curvature_upper
    assert shape.knee_share < 0.2
    assert shape.knee_share_linear_axis == 1.0


def test_a_true_knee_is_found_by_nearly_all_bootstraps_and_where_it_is() -> None:
    score = 10 + 6 * np.minimum(np.log2(SIZES), 3) + RANDOM.normal(size=400)
    shape = scaling.shape(SIZES, score, families(400))
    assert shape.reading == "falling"
    assert shape.knee_share > 0.95
    assert shape.knee_at == pytest.approx(8, rel=0.5)


def test_the_same_points_per_doubling_are_fewer_and_fewer_per_billion() -> None:
    score = 10 + 4 * np.log2(SIZES)
    bands = pl.DataFrame({"p": SIZES * 1e9}).select(summaries.size_band("p"))["p"]
    returns = scaling.returns(SIZES, score, bands, summaries.SIZE_BANDS, families(400))
    per_doubling = returns["median_gain_per_doubling"].drop_nulls().to_numpy()
    per_billion = returns["median_gain_per_billion"].drop_nulls().to_numpy()
    assert per_doubling == pytest.approx(np.full(len(per_doubling), 4.0), abs=0.3)
    assert (np.diff(per_billion) < 0).all()


def test_the_sixteen_chat_models_follow_no_size_and_the_one_off_the_line_is_named() -> None:
    from statsmodels.api import OLS, add_constant  # noqa: PLC0415 - heavy, for this test alone

    rows = non_embedding_trend(non_embedding_scores())
    fitted = rows.filter("is_in_fit")
    assert (fitted.height, rows.height) == (16, 18)
    assert fitted["r_squared"][0] == pytest.approx(0.025, abs=5e-4)
    assert fitted["points_per_doubling_lower"][0] < 0 < fitted["points_per_doubling_upper"][0]
    assert rows.filter("is_outlier")["label"].to_list() == ["Gemma-2B-it"]
    x = np.log2(fitted["parameters_non_embedding"].to_numpy() / 1e9)
    oracle = OLS(fitted["average"].to_numpy(), add_constant(x)).fit()
    influence = oracle.get_influence()
    assert fitted["studentised_residual"].to_numpy() == pytest.approx(influence.resid_studentized_external)
    assert fitted["cooks_distance"].to_numpy() == pytest.approx(influence.cooks_distance[0])
    ends = fitted.row(0, named=True)
    assert (ends["points_per_doubling_lower"], ends["points_per_doubling_upper"]) == pytest.approx(oracle.conf_int()[1])


# Density ---------------------------------------------------------------------------------------------------------


def test_density_is_one_on_the_line_and_doubles_with_every_doubling_it_is_ahead() -> None:
    gains = np.zeros(400)
    gains[[50, 51]] = [1, 2]
    gains -= np.polyval(np.polyfit(np.log2(SIZES), gains, 1), np.log2(SIZES))
    densities = density.densities(SIZES, 10 + 4 * (np.log2(SIZES) + gains), np.zeros(400), families(400))
    assert np.log2(densities.density) == pytest.approx(gains)
    assert densities.effective_size == pytest.approx(SIZES * densities.density)
    assert (densities.density_lower <= densities.density + 1e-9).all()
    with pytest.raises(ValueError, match=r"scores fall by 1.00 points per doubling"):
        density.densities(SIZES, -np.log2(SIZES), np.zeros(400), families(400))


def test_a_record_that_doubles_every_three_months_is_told_so_and_laggards_do_not_matter() -> None:
    months = np.arange(24.0)
    grows = 2 ** (months / 3)
    value = np.concatenate([grows, grows * 0.4])
    days = np.concatenate([months, months + 0.5]) * 365.25 / 12
    nothing, never = np.zeros(48), np.zeros(200)
    redrawn = density.Redrawn(nothing, np.log2(value), nothing, never, never + 1, never)
    records = density.Density(value, value, value, value, redrawn, np.zeros(48, dtype=bool))
    trend = density.trend(days, records, families(48))
    assert trend is not None
    assert trend.doubling_months == pytest.approx(3.0)
    assert trend.r_squared == pytest.approx(1.0)
    assert sorted(trend.records) == list(range(24))
    assert trend.lower is not None
    assert trend.lower <= 3.0 + 1e-9
    assert density.trend(days[:3], records.part(np.arange(3)), families(3)) is None


def test_entries_taken_in_blocks_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    size, days = 2 ** random.uniform(0, 6, 500), random.uniform(0, 900, 500)
    score = 10 + 5 * np.log2(size) + random.normal(0, 4, 500)
    drawn = draw_families(random.integers(0, 90, 500), 200)

    def all_ends() -> list[float]:
        densities = density.densities(size, score, np.full(500, 0.5), drawn)
        grown = density.trend(days, densities, drawn)
        assert grown is not None
        ends = [grown.lower, grown.upper]
        for line in scaling.fitted_lines(size, score, drawn):
            ends += [line.lower, line.upper]
        widths = clusters.group(np.column_stack([score, np.log2(size)])).widths
        return [
            *densities.density_lower,
            *densities.density_upper,
            *widths,
            *(np.nan if end is None else end for end in ends),
        ]

    at_once = all_ends()
    monkeypatch.setattr(resampling, "_CELLS_AT_ONCE", 4_000)
    assert all_ends() == pytest.approx(at_once, rel=1e-12, nan_ok=True)


# Benchmarks together ---------------------------------------------------------------------------------------------


def test_correlations_and_their_intervals_are_scipys_and_the_components_are_those_of_scikit_learn() -> None:
    from scipy.stats import pearsonr, spearmanr  # noqa: PLC0415 - heavy, for this test alone
    from sklearn.decomposition import PCA  # noqa: PLC0415 - likewise

    skill = RANDOM.normal(size=(120, 1))
    values = np.round(50 + 10 * skill + RANDOM.normal(size=(120, 4)) * [3, 6, 9, 12], 1)
    drawn = families(120, 30)
    estimate = correlations(values, drawn)
    for i, j in ((0, 1), (2, 3), (0, 3)):
        oracle = pearsonr(values[:, i], values[:, j])
        assert estimate.pearson[i, j] == pytest.approx(oracle.statistic)
        assert (estimate.pearson_lower[i, j], estimate.pearson_upper[i, j]) == pytest.approx(
            oracle.confidence_interval()
        )
        assert estimate.spearman[i, j] == pytest.approx(spearmanr(values[:, i], values[:, j]).statistic)
        assert estimate.pearson_lower_by_family[i, j] < estimate.pearson[i, j] < estimate.pearson_upper_by_family[i, j]
    ours = components(values, drawn)
    theirs = PCA().fit((values - values.mean(axis=0)) / values.std(axis=0))
    assert ours.shares == pytest.approx(theirs.explained_variance_ratio_)
    assert np.abs(ours.loadings.T) == pytest.approx(np.abs(theirs.components_))
    assert (ours.loadings.sum(axis=0) > 0).all()
    assert ours.scores.var(axis=0) == pytest.approx(ours.shares * 4)
    assert (ours.shares_lower <= ours.shares).all() or (ours.shares_lower[0] < ours.shares[0] < ours.shares_upper[0])


def blobs(centres: list[list[float]], each: int = 60) -> np.ndarray:
    points = np.concatenate([np.array(centre) + RANDOM.normal(size=(each, 2)) for centre in centres])
    return (points - points.mean(axis=0)) / points.std(axis=0)


def test_three_far_groups_are_found_and_one_cloud_is_said_to_have_no_structure() -> None:
    three = clusters.group(blobs([[0, 0], [12, 0], [0, 12]]))
    assert (three.k, three.verdict) in {(3, "strong"), (3, "reasonable structure")}
    assert [len(set(three.labels[i : i + 60])) for i in (0, 60, 120)] == [1, 1, 1]
    cloud = clusters.group(RANDOM.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=250))
    assert (cloud.k, cloud.verdict) == (1, "no structure")
    assert set(cloud.labels) == {1}
    assert np.isnan(cloud.widths).all()
    assert clusters.group(blobs([[0, 0]], each=8)).verdict == "no structure"


def test_silhouettes_are_those_of_scikit_learn_and_k_means_is_no_looser() -> None:
    from sklearn.cluster import KMeans  # noqa: PLC0415 - heavy, for this test alone
    from sklearn.metrics import silhouette_samples  # noqa: PLC0415 - likewise

    points = blobs([[0, 0], [5, 1], [1, 6], [7, 7]])
    many = np.broadcast_to(points, (12, *points.shape))
    centres, labels = clusters.k_means(many, 4, np.random.default_rng(1))
    squares = ((points - np.take_along_axis(centres, labels[:, :, None], axis=1)) ** 2).sum(axis=(1, 2))
    assert squares.min() <= KMeans(4, n_init=12, random_state=1).fit(points).inertia_ * 1.001
    best = labels[squares.argmin()]
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert clusters.silhouettes(between, best, best) == pytest.approx(silhouette_samples(points, best))


# Benchmarks by themselves ----------------------------------------------------------------------------------------


@given(arrays(np.float64, st.integers(5, 30), elements=st.integers(0, 100).map(float)))
def test_z_scores_of_a_group_have_mean_zero_and_deviation_one_and_equal_scores_have_none(scores: np.ndarray) -> None:
    frame = pl.DataFrame({"board": ["b"] * len(scores), "score": scores})
    z = frame.select(summaries.z_score("score", ("board",)).alias("z"))["z"]
    if len(set(scores)) == 1:
        assert z.null_count() == len(scores)
    else:
        assert z.mean() == pytest.approx(0, abs=1e-9)
        assert z.std() == pytest.approx(1)
    few = frame.head(4).select(summaries.z_score("score", ("board",)).alias("z"))["z"]
    assert few.null_count() == 4


def test_summaries_have_students_interval_and_leave_small_groups_out() -> None:
    from scipy.stats import t  # noqa: PLC0415 - heavy, for this test alone

    scores = pl.DataFrame(
        {
            "snapshot_id": "s",
            "measure": "average",
            "value": [10.0, 20.0, 30.0, 40.0, 60.0, 5.0],
            "precision": [*["float16"] * 5, "4bit"],
        }
    )
    row = summaries.summaries(scores, ("snapshot_id",), "precision").row(0, named=True)
    assert (row["group"], row["entries"], row["median"], row["lower_quartile"]) == ("float16", 5, 30.0, 20.0)
    values = scores["value"].to_numpy()[:5]
    ends = t.interval(0.95, 4, values.mean(), values.std(ddof=1) / np.sqrt(5))
    assert (row["mean_lower"], row["mean_upper"]) == pytest.approx(ends)


@pytest.mark.parametrize(
    ("billions", "band"), [(0.5, "below 0.75 B"), (1.5, "1.5 to 3 B"), (8.03, "6 to 12 B"), (405, "above 96 B")]
)
def test_usual_sizes_fall_inside_a_band(billions: float, band: str) -> None:
    assert pl.DataFrame({"p": [billions * 1e9]}).select(summaries.size_band("p"))["p"][0] == band


def test_saturation_tells_a_full_scale_from_a_crowded_top_from_room() -> None:
    near = [60.0 + i * 0.01 for i in range(20)]
    spread = [float(i * 3) for i in range(20)]
    frames = [
        pl.DataFrame({"benchmark": name, "score": scores, "standard_error": 1.0})
        for name, scores in (("full", [*spread[:19], 97.0]), ("crowded", near), ("open", spread))
    ]
    rows = summaries.saturation(pl.concat(frames), ()).sort("benchmark")
    assert dict(rows.select("benchmark", "saturation").iter_rows()) == {
        "full": "saturated",
        "crowded": "crowded",
        "open": "open",
    }
    assert dict(rows.select("benchmark", "within_noise_of_best").iter_rows()) == {"full": 0, "crowded": 19, "open": 0}
