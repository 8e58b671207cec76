-- Every entry that was ever on the front of a snapshot, with the days between which it stood there.
SELECT model_id, entry_id, precision, score, cost, entered_on, left_on
FROM marts.pareto_front_history
WHERE snapshot_id = $snapshot_id AND objectives = $objectives
ORDER BY entered_on, cost
