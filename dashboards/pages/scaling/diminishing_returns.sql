-- What each band of sizes brings over the one before.
SELECT
    band_order, size_band, entries, parameters_geometric_mean / 1e9 AS parameters_billion, median, median_gain,
    median_gain_lower, median_gain_upper, upper_decile, upper_decile_gain, upper_decile_gain_lower,
    upper_decile_gain_upper, median_gain / nullif(median_gain_per_doubling, 0) AS doublings,
    median_gain / nullif(median_gain_per_billion, 0) AS billions
FROM marts.diminishing_returns
WHERE snapshot_id = $snapshot_id
ORDER BY band_order
