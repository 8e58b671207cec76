-- Results of a model. One without an address on the hub goes by the name that the source, or its facts, give it, beside
-- which some put the effort in brackets.
WITH named AS (
    SELECT source, name_in_source, min(display_name) AS display_name
    FROM core.model_facts
    WHERE display_name IS NOT NULL
    GROUP BY ALL
)
SELECT benchmark, benchmark_version, category, metric, score, standard_error, ci_low, ci_high, standard_error_origin,
    unit, higher_is_better, n_items, mode, effort, scaffold, host, precision_served, reporter, source, name_in_source,
    measured_on, snapshot_date, licence, source_url
FROM core.benchmark_results LEFT JOIN named USING (source, name_in_source)
WHERE is_newest AND (
    model_id = $model_id
    OR model_id IS NULL AND lower($model_id) IN (
        lower(coalesce(display_name, name_in_source)),
        regexp_replace(
            lower(coalesce(display_name, name_in_source)), ' \((none|minimal|low|medium|high|xhigh|max|[^()]*thinking)\)$', ''
        )
    )
)
ORDER BY category, benchmark, source, score DESC
