-- Results of boards that the visitor brought, the best of each benchmark first.
SELECT source, benchmark, benchmark_version, metric, name_in_source, model_id, score, standard_error, unit, mode, effort,
    higher_is_better, snapshot_date
FROM core.benchmark_results
WHERE starts_with(source, $mark)
ORDER BY source, benchmark, metric, CASE WHEN higher_is_better THEN -score ELSE score END
