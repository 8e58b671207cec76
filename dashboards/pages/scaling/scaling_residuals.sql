-- How far each entry is above what its parameters lead one to expect.
SELECT
    r.residual_rank, r.entry_id, r.model_id, e.model_type, e.family, e.precision, r.parameters / 1e9 AS parameters_billion,
    r.average, r.expected_score, r.residual, r.standard_error, r.quantile_passed_pct
FROM marts.scaling_residuals AS r
JOIN core.leaderboard_entries AS e USING (snapshot_id, entry_id)
WHERE r.snapshot_id = $snapshot_id AND r.size_basis = $size_basis
ORDER BY r.residual_rank NULLS LAST, r.entry_id
