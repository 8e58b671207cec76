-- How benchmarks of one snapshot go together, each pair once.
SELECT
    measure, other_measure, entries, families, pearson, pearson_lower_by_family, pearson_upper_by_family, spearman,
    spearman_lower_by_family, spearman_upper_by_family
FROM marts.benchmark_correlations
WHERE snapshot_id = $snapshot_id
ORDER BY measure, other_measure
