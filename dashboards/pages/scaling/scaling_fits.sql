-- Lines of score against log2 of the parameters; the intercept is the value at 10^9 parameters.
SELECT
    measure, method, points_per_doubling, points_per_doubling_lower, points_per_doubling_upper, intercept, r_squared,
    entries, families
FROM marts.scaling_fits
WHERE snapshot_id = $snapshot_id AND size_basis = $size_basis
ORDER BY measure, method
