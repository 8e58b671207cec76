-- Per source: how many states are stored, what time they span, and when the last was retrieved.
SELECT if(coverage = 'run', 'measured_runs', board) AS board, count(*) AS snapshots, min(as_of_date) AS first, max(as_of_date) AS latest,
    sum(rows_loaded)::BIGINT AS rows_loaded, sum(rows_rejected)::BIGINT AS rows_rejected,
    max(retrieved_at) AS retrieved_at
FROM meta.snapshots
GROUP BY 1
ORDER BY latest DESC, board
