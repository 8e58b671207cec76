-- CO₂ that the board states for evaluating, snapshot by snapshot: never added up over snapshots, which repeat entries.
SELECT board, as_of_date, snapshot_id, count(*) AS entries, sum(evaluation_co2_kg) AS total_kg,
    median(evaluation_co2_kg) AS median_kg, quantile_cont(evaluation_co2_kg, 0.05) AS low_kg,
    quantile_cont(evaluation_co2_kg, 0.95) AS high_kg
FROM core.leaderboard_entries
WHERE evaluation_co2_kg > 0
GROUP BY ALL
ORDER BY as_of_date
