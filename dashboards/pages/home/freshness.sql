-- Per source: how many states are stored, what time they span by their own dates, when the last was retrieved, and for
-- declared boards whether the newest is fresh by the source's own rhythm and what came of asking for it.
WITH stored AS (
    SELECT
        CASE
            WHEN source = 'profile_bundles' THEN 'measured_runs'
            WHEN source = 'kernel_tables' THEN 'kernel_tables'
            WHEN coverage = 'run' THEN board || '_raw_results'
            ELSE board
        END AS board,
        count(*) AS snapshots,
        min(as_of_date) FILTER (is_dated) AS first, max(as_of_date) FILTER (is_dated) AS latest,
        sum(rows_loaded)::BIGINT AS rows_loaded, sum(rows_rejected)::BIGINT AS rows_rejected,
        max(retrieved_at) AS retrieved_at
    FROM meta.snapshots
    GROUP BY 1
)
SELECT s.*, b.freshness, b.last_outcome
FROM stored AS s
LEFT JOIN meta.board_sources AS b ON b.source = s.board
ORDER BY s.latest DESC NULLS LAST, s.board
