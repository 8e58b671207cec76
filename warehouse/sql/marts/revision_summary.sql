-- Counts of what changed between consecutive full snapshots, from the revisions themselves.
WITH pairs AS (
    SELECT DISTINCT board, from_date, to_date FROM marts.score_revisions
),
rows_of AS (
    SELECT board, as_of_date, entry_id FROM core.leaderboard_entries
    JOIN raw.leaderboard_snapshots AS s USING (snapshot_id, board, as_of_date)
    WHERE s.coverage = 'full' AND s.layout <> 'v1_run_means'
),
common AS (
    SELECT p.board, p.from_date, p.to_date, count(b.entry_id) AS common
    FROM pairs AS p
    JOIN rows_of AS a ON a.board = p.board AND a.as_of_date = p.from_date
    LEFT JOIN rows_of AS b ON b.board = p.board AND b.as_of_date = p.to_date AND b.entry_id = a.entry_id
    GROUP BY ALL
)
SELECT
    r.board, r.from_date, r.to_date, r.measure,
    any_value(c.common) AS common,
    count(*) FILTER (change = 'added') AS added,
    count(*) FILTER (change = 'removed') AS removed,
    count(*) FILTER (change = 'changed') AS changed,
    max(abs(difference)) AS largest_change,
    avg(difference) AS mean_change
FROM marts.score_revisions AS r
JOIN common AS c USING (board, from_date, to_date)
GROUP BY r.board, r.from_date, r.to_date, r.measure
