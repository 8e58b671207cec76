-- Every snapshot that holds entries: a visitor's own first, then the newest, whole boards before parts of one.
SELECT
    s.snapshot_id, s.board, s.as_of_date, s.metric_version, s.coverage, s.uri, s.licence, s.revision,
    s.retrieved_at, s.rows_read, s.rows_loaded, s.rows_rejected, e.entries
FROM meta.snapshots AS s
JOIN (
    SELECT snapshot_id, count(*) AS entries FROM core.leaderboard_entries GROUP BY snapshot_id
) AS e USING (snapshot_id)
ORDER BY (s.coverage = 'with your file') DESC, (s.coverage = 'full') DESC, s.as_of_date DESC, e.entries DESC, s.snapshot_id
