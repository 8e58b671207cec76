-- Entries of one snapshot with what is known of them.
SELECT
    e.entry_id, e.model_id, split_part(e.model_id, '/', 1) AS organisation, e.precision, e.model_type, e.family,
    e.architecture, e.licence, e.average, e.average_standard_error, e.size_gib, e.size_source,
    e.parameters_total / 1e9 AS parameters_billion, e.parameters_active / 1e9 AS active_parameters_billion,
    e.evaluation_co2_kg, e.hub_likes::DOUBLE AS hub_likes, e.submitted_on, e.uploaded_on,
    CASE WHEN e.entry_id LIKE 'yours: %' THEN 'yours' WHEN e.snapshot_id LIKE 'yours-%' THEN 'published' END AS whose,
    e.is_merged, e.is_moe, e.is_flagged, e.is_on_hub, e.is_official_provider, f.size_adjusted_residual, f.score_per_gib
FROM core.leaderboard_entries AS e
LEFT JOIN marts.efficiency AS f USING (snapshot_id, entry_id)
WHERE e.snapshot_id = $snapshot_id
ORDER BY e.average DESC NULLS LAST, e.entry_id
