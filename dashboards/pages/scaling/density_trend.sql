-- How fast the record density doubles.
SELECT population, doubling_months, doubling_months_lower, doubling_months_upper, r_squared, records, from_date, to_date
FROM marts.capability_density_trend
WHERE snapshot_id = $snapshot_id
ORDER BY population
