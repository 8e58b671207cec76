-- How far predictions were off in one environment.
SELECT stage, compared_clock, scope, points, mape_pct, p90_error_pct, interval_coverage_pct
FROM marts.profile_prediction_error
WHERE environment_id = $environment_id
ORDER BY stage, compared_clock, scope
