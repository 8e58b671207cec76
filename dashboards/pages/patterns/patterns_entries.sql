-- Entries of one snapshot with every benchmark: groups they belong to, place along the components, cluster.
SELECT
    e.entry_id, e.model_id, e.average, e.model_type, e.precision, e.family, z.size_band, z.quarter, e.is_merged, e.is_moe,
    'cluster ' || c.cluster AS cluster, s.component_1, s.component_2, s.component_3
FROM marts.capability_scores AS s
JOIN core.leaderboard_entries AS e USING (snapshot_id, entry_id)
JOIN marts.model_clusters AS c USING (snapshot_id, entry_id)
LEFT JOIN marts.z_scores AS z ON z.snapshot_id = s.snapshot_id AND z.entry_id = s.entry_id AND z.measure = 'average'
WHERE s.snapshot_id = $snapshot_id
ORDER BY e.average DESC NULLS LAST, e.entry_id
