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
SELECT coalesce(s.board, b.source) AS board, coalesce(s.snapshots, 0) AS snapshots, s.first, s.latest,
    coalesce(s.rows_loaded, 0) AS rows_loaded, coalesce(s.rows_rejected, 0) AS rows_rejected, s.retrieved_at, b.freshness,
    b.last_outcome
FROM stored AS s
FULL JOIN meta.board_sources AS b ON b.source = s.board
-- A declared board that was asked and never gave anything is shown; one that nobody asked is not.
WHERE s.board IS NOT NULL OR b.last_outcome IS NOT NULL
ORDER BY s.latest DESC NULLS LAST, 1
