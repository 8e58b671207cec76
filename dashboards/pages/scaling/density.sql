-- Effective over actual parameters of every entry, by release.
SELECT
    entry_id, model_id, released_on, is_official_provider, average, parameters_total / 1e9 AS parameters_billion,
    effective_parameters / 1e9 AS effective_parameters_billion, density, density_lower, density_upper, is_extrapolated,
    is_record
FROM marts.capability_density
WHERE snapshot_id = $snapshot_id
ORDER BY density DESC, entry_id
