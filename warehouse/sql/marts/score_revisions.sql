-- What changed between two consecutive full snapshots of a board. Snapshots that name no entry in common (the
-- board changed its names, or the export dropped them) are not revisions of each other.
WITH snapshots AS (
    SELECT
        snapshot_id, board, as_of_date, metric_version, score_resolution,
        lead(snapshot_id) OVER later AS next_id,
        lead(as_of_date) OVER later AS next_date,
        lead(metric_version) OVER later AS next_version,
        lead(score_resolution) OVER later AS next_resolution
    FROM raw.leaderboard_snapshots
    WHERE coverage = 'full' AND layout <> 'v1_run_means'
    WINDOW later AS (PARTITION BY board ORDER BY as_of_date, snapshot_id)
),
pairs AS (
    SELECT * FROM snapshots AS s
    WHERE next_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM core.leaderboard_entries AS a
        JOIN core.leaderboard_entries AS b USING (entry_id)
        WHERE a.snapshot_id = s.snapshot_id AND b.snapshot_id = s.next_id
    )
),
entry_values AS (
    SELECT snapshot_id, entry_id, model_id, 'average' AS measure, average AS value FROM core.leaderboard_entries
    UNION ALL BY NAME
    SELECT snapshot_id, entry_id, model_id, 'evaluation_co2_kg' AS measure, evaluation_co2_kg AS value
    FROM core.leaderboard_entries
    UNION ALL BY NAME
    SELECT snapshot_id, entry_id, model_id, benchmark AS measure, score AS value FROM core.benchmark_scores
),
changed AS (
    SELECT
        p.board, p.as_of_date AS from_date, p.next_date AS to_date,
        p.metric_version AS from_metric_version, p.next_version AS to_metric_version,
        a.entry_id, b.model_id, 'changed' AS change, a.measure,
        a.value AS value_before, b.value AS value_after, b.value - a.value AS difference
    FROM pairs AS p
    JOIN entry_values AS a ON a.snapshot_id = p.snapshot_id
    JOIN entry_values AS b ON b.snapshot_id = p.next_id AND b.entry_id = a.entry_id AND b.measure = a.measure
    -- A score printed with fewer digits in one export is no revision, nor is the last bit of a double.
    WHERE abs(b.value - a.value) > 1e-9 + CASE
        WHEN a.measure = 'evaluation_co2_kg' OR p.score_resolution = p.next_resolution THEN 0
        ELSE 0.5 * greatest(p.score_resolution, p.next_resolution)
    END
),
came_or_went AS (
    SELECT
        p.board, p.as_of_date AS from_date, p.next_date AS to_date,
        p.metric_version AS from_metric_version, p.next_version AS to_metric_version,
        e.entry_id, e.model_id,
        CASE WHEN e.snapshot_id = p.next_id THEN 'added' ELSE 'removed' END AS change, 'entry' AS measure,
        CASE WHEN e.snapshot_id = p.snapshot_id THEN e.average END AS value_before,
        CASE WHEN e.snapshot_id = p.next_id THEN e.average END AS value_after,
        NULL::DOUBLE AS difference
    FROM pairs AS p
    JOIN core.leaderboard_entries AS e ON e.snapshot_id IN (p.snapshot_id, p.next_id)
    ANTI JOIN core.leaderboard_entries AS other
        ON other.entry_id = e.entry_id
        AND other.snapshot_id = CASE WHEN e.snapshot_id = p.next_id THEN p.snapshot_id ELSE p.next_id END
)
SELECT * FROM changed
UNION ALL BY NAME
SELECT * FROM came_or_went
