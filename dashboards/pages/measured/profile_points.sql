-- Every point of a run, in base units.
SELECT *
FROM marts.profile_points
WHERE run_id = $run_id
ORDER BY model, stage, precision, batch, context, point_id
