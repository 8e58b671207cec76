-- The fronts of all whole snapshots of a board, each as that snapshot said, and how much each covers.
SELECT f.as_of_date, f.snapshot_id, f.metric_version, f.model_id, f.entry_id, f.precision, f.score, f.cost,
    h.hypervolume
FROM marts.pareto_front AS f
JOIN meta.snapshots AS s USING (snapshot_id)
LEFT JOIN (
    SELECT snapshot_id, objectives, arg_max(hypervolume, on_date) AS hypervolume
    FROM marts.pareto_hypervolume GROUP BY ALL
) AS h ON h.snapshot_id = f.snapshot_id AND h.objectives = f.objectives
WHERE f.board = $board AND f.objectives = $objectives AND f.segment_by = 'all' AND s.coverage = 'full'
ORDER BY f.as_of_date, f.snapshot_id, f.cost
