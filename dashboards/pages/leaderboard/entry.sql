-- Everything known of one entry of a snapshot.
SELECT e.*, m.family_source, m.root_model, m.is_adapter, m.parameters_non_embedding,
    m.parameters_non_embedding_source, m.first_submitted_on, m.first_seen_on, m.last_seen_on,
    f.size_adjusted_residual, f.residual_rank, f.score_per_gib, f.score_per_billion_parameters, f.score_per_kg_co2
FROM core.leaderboard_entries AS e
LEFT JOIN core.models AS m USING (model_id)
LEFT JOIN marts.efficiency AS f ON f.snapshot_id = e.snapshot_id AND f.entry_id = e.entry_id
WHERE e.snapshot_id = $snapshot_id AND e.entry_id = $entry_id
