SELECT operator_class, kernels, held_out_mape_pct, held_out_median_error_pct, interval_coverage_pct, framework,
    fitted_in, source
FROM marts.calibrations
WHERE device = $accelerator
ORDER BY operator_class
