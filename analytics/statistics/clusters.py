"""Groups of models with like profiles, if any: k-means, how many, how firm, or the verdict "no structure"."""

from dataclasses import dataclass

import numpy as np

from analytics.statistics.resampling import Floats, Integers, blocks

CHOICES = (2, 3, 4, 5, 6)
LEAST_SILHOUETTE = 0.25
"""Below this there is no substantial structure (Kaufman & Rousseeuw, "Finding Groups in Data", 1990, table 4)."""
LEAST_STABILITY = 0.75
"""Below this a cluster is not a valid one (Hennig, Computational Statistics & Data Analysis 52(1), 2007)."""

_SAMPLE = 300
_NULLS, _BOOTSTRAPS = 19, 20
_CHANCE = 3.0
_ROUNDS, _STARTS = 12, 6
_ELSEWHERE = -1
_SEED = 20_240_613


@dataclass(frozen=True)
class Clustering:
    """One number of clusters, judged.

    Attributes:
        k: Number of clusters.
        silhouette: Mean silhouette width, -1 to 1.
        null_silhouette: What one normal cloud of the same covariance reaches: mean of 19 samples and three of their
            standard deviations, as five numbers of clusters are tried.
        stability: Least over clusters of the mean Jaccard similarity to their nearest in bootstrap samples.
        is_valid: Whether it passes all three thresholds.
    """

    k: int
    silhouette: float
    null_silhouette: float
    stability: float

    @property
    def is_valid(self) -> bool:
        """Firmer than chance, than custom demands, and found again in bootstrap samples."""
        firm = self.silhouette >= LEAST_SILHOUETTE and self.silhouette > self.null_silhouette
        return firm and self.stability >= LEAST_STABILITY


@dataclass(frozen=True)
class Grouping:
    """What was found.

    Attributes:
        tried: Every number of clusters, judged.
        k: Number chosen, the valid one of greatest silhouette; 1 where none is valid.
        labels: (n,) cluster of each entry from 1, by falling mean of its columns.
        widths: (n,) silhouette width of each; NaN where there is one cluster.
        sampled: Entries that the choice rests on.
    """

    tried: tuple[Clustering, ...]
    k: int
    labels: Integers
    widths: Floats
    sampled: int

    @property
    def verdict(self) -> str:
        """In the words of Kaufman & Rousseeuw."""
        silhouette = next((grouping.silhouette for grouping in self.tried if grouping.k == self.k), 0.0)
        if self.k == 1:
            return "no structure"
        return "weak structure" if silhouette < 0.5 else ("reasonable structure" if silhouette < 0.7 else "strong")


def group(values: Floats) -> Grouping:
    """Cluster the rows of standardised columns (n, p), if they fall into clusters at all.

    The choice of k rests on at most 300 rows, drawn once; all rows then go to the nearest centre. A cloud without
    clusters is the null: a normal one of the same covariance, cut by the same k-means.
    """
    random = np.random.default_rng(_SEED)
    chosen = np.sort(random.permutation(len(values))[:_SAMPLE])
    sample = values[chosen]
    if len(sample) < 2 * max(CHOICES):
        return Grouping((), 1, np.ones(len(values), dtype=np.int64), np.full(len(values), np.nan), len(sample))
    distances = _distances(sample, sample)
    clouds = random.multivariate_normal(sample.mean(axis=0), np.cov(sample, rowvar=False), size=(_NULLS, len(sample)))
    cloud_distances = [_distances(cloud, cloud) for cloud in clouds]
    resampled = random.integers(len(sample), size=(_BOOTSTRAPS, len(sample)))
    tried, centres_of = [], {}
    for k in CHOICES:
        centres, labels = _best_k_means(sample, k, random)
        _, null_labels = k_means(clouds, k, random)
        chance = [np.mean(silhouettes(*pair, pair[1])) for pair in zip(cloud_distances, null_labels, strict=True)]
        _, clusters = k_means(sample[resampled], k, random)
        observed = float(np.mean(silhouettes(distances, labels, labels)))
        tried.append(
            Clustering(
                k,
                observed,
                float(np.mean(chance) + _CHANCE * np.std(chance, ddof=1)),
                _stability(labels, clusters, resampled, k),
            )
        )
        centres_of[k] = centres
    valid = [grouping for grouping in tried if grouping.is_valid]
    if not valid:
        return Grouping(
            tuple(tried), 1, np.ones(len(values), dtype=np.int64), np.full(len(values), np.nan), len(chosen)
        )
    best = max(valid, key=lambda grouping: grouping.silhouette)
    centres = centres_of[best.k]
    centres = centres[np.argsort(-centres.mean(axis=1))]
    nearest = _distances(values, centres).argmin(axis=1)
    widths = np.empty(len(values))
    for block in blocks(len(values), len(sample)):
        here = (chosen >= block.start) & (chosen < block.stop)
        own = np.where(here, chosen - block.start, _ELSEWHERE)
        widths[block] = silhouettes(_distances(values[block], sample), nearest[block], nearest[chosen], own)
    return Grouping(tuple(tried), best.k, nearest.astype(np.int64) + 1, widths, len(chosen))


def silhouettes(distances: Floats, labels: Integers, others: Integers, own: Integers | None = None) -> Floats:
    """(n,) silhouette widths (Rousseeuw, J. Computational and Applied Mathematics 20, 1987).

    Args:
        distances: (n, m) from each row to the rows it is compared with.
        labels: (n,) clusters of the rows, from 0.
        others: (m,) clusters of those compared with.
        own: (m,) which row each of those is, so that nobody is compared with itself, or -1; row i is i by default.
    """
    count = int(max(labels.max(), others.max())) + 1
    member = np.eye(count)[others]
    totals, sizes = distances @ member, np.tile(member.sum(axis=0), (len(labels), 1))
    itself = np.arange(len(others)) if own is None else own
    present = itself != _ELSEWHERE
    sizes[itself[present], others[present]] -= 1
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = totals / sizes
    rows = np.arange(len(labels))
    inside = mean[rows, labels]
    mean[rows, labels] = np.inf
    outside = np.nanmin(mean, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        widths = (outside - inside) / np.maximum(inside, outside)
    # Whoever is alone in a cluster has width zero, by definition.
    widths[np.isnan(widths)] = 0.0
    values: Floats = widths
    return values


def _distances(first: Floats, second: Floats) -> Floats:
    """(…, n, m) Euclidean distances between rows (…, n, p) and (…, m, p)."""
    squares = (first**2).sum(axis=-1)[..., :, None] + (second**2).sum(axis=-1)[..., None, :]
    between: Floats = np.sqrt(np.maximum(squares - 2 * first @ np.swapaxes(second, -1, -2), 0))
    return between


def k_means(samples: Floats, k: int, random: np.random.Generator) -> tuple[Floats, Integers]:
    """(r, k, p) centres and (r, n) labels of k-means on many samples (r, n, p) at once.

    Lloyd's iterations from the starts of Arthur & Vassilvitskii (k-means++, 2007). All samples move together, which
    takes a twentieth of the time of as many calls of a library.
    """
    count, rows, _ = samples.shape
    replicates = np.arange(count)
    centres = samples[replicates, random.integers(rows, size=count)][:, None, :]
    for _ in range(1, k):
        nearest = _distances(samples, centres).min(axis=2) ** 2
        share = np.cumsum(nearest, axis=1)
        place = (share < random.random((count, 1)) * share[:, -1:]).sum(axis=1)
        centres = np.concatenate([centres, samples[replicates, np.minimum(place, rows - 1)][:, None, :]], axis=1)
    for _ in range(_ROUNDS):
        labels = _distances(samples, centres).argmin(axis=2)
        member = np.eye(k)[labels]
        sizes = member.sum(axis=1)[:, :, None]
        # A centre that has lost all its rows stays where it is.
        centres = np.where(sizes > 0, np.swapaxes(member, 1, 2) @ samples / np.maximum(sizes, 1), centres)
    return centres, _distances(samples, centres).argmin(axis=2)


def _best_k_means(sample: Floats, k: int, random: np.random.Generator) -> tuple[Floats, Integers]:
    centres, labels = k_means(np.broadcast_to(sample, (_STARTS, *sample.shape)), k, random)
    squares = ((sample - np.take_along_axis(centres, labels[:, :, None], axis=1)) ** 2).sum(axis=(1, 2))
    best = int(squares.argmin())
    return centres[best], labels[best]


def _stability(labels: Integers, again: Integers, resampled: Integers, k: int) -> float:
    """Mean over bootstrap samples of the best Jaccard similarity, of the cluster where it is least."""
    similarities = []
    for rows, clusters in zip(resampled, again, strict=True):
        # Each row counts once, however often it was drawn.
        drawn, first = np.unique(rows, return_index=True)
        ours, theirs = np.eye(k)[labels[drawn]], np.eye(k)[clusters[first]]
        both = ours.T @ theirs
        either = ours.sum(axis=0)[:, None] + theirs.sum(axis=0)[None, :] - both
        similarities.append((both / np.maximum(either, 1)).max(axis=1))
    return float(np.mean(similarities, axis=0).min())
