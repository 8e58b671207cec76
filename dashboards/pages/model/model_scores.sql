SELECT benchmark, benchmark_version, category, metric, score, standard_error, ci_low, ci_high, standard_error_origin,
    unit, higher_is_better, n_items, mode, effort, scaffold, host, precision_served, reporter, source, name_in_source,
    measured_on, snapshot_date, licence, source_url
FROM core.benchmark_results
WHERE model_id = $model_id AND is_newest
ORDER BY category, benchmark, source, score DESC
