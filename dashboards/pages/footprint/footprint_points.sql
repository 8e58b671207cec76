-- Size, quality and CO₂ of evaluation of every entry of one snapshot.
SELECT model_id, parameters_total / 1e9 AS parameters_billion, average, average_standard_error, evaluation_co2_kg,
    is_moe
FROM core.leaderboard_entries
WHERE snapshot_id = $snapshot_id AND evaluation_co2_kg > 0 AND parameters_total IS NOT NULL
