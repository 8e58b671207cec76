-- Where an entry stands against each front of its snapshot: on it, or beaten by which member.
SELECT objectives, 'on the front' AS standing, NULL AS dominated_by_model_id, NULL AS score_gap,
    NULL AS score_gap_standard_error, NULL AS within_noise, NULL AS cost_ratio
FROM marts.pareto_front
WHERE snapshot_id = $snapshot_id AND entry_id = $entry_id AND segment_by = 'all'
UNION ALL
SELECT objectives, 'beaten', dominated_by_model_id, score_gap, score_gap_standard_error, within_noise, cost_ratio
FROM marts.dominated_by
WHERE snapshot_id = $snapshot_id AND entry_id = $entry_id
ORDER BY objectives
