-- What each benchmark weighs in the first two components.
SELECT component, benchmark, loading, loading_lower, loading_upper, explained_variance, explained_variance_lower,
    explained_variance_upper, entries
FROM marts.capability_loadings
WHERE snapshot_id = $snapshot_id AND component <= 2
ORDER BY component, benchmark
