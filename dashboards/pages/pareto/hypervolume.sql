-- How much the front covers, for each submission day on which it moved.
SELECT on_date, hypervolume, front_members, reference_cost, reference_score
FROM marts.pareto_hypervolume
WHERE snapshot_id = $snapshot_id AND objectives = $objectives
ORDER BY on_date
