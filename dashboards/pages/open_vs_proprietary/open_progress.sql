-- Models of one board by release date, with what is known of licence, date and the GPUs that the open ones need.
SELECT
    p.model, p.organization, p.licence_class, p.is_open, p.release_date, p.release_grade, r.conflict, r.source,
    p.rating, p.rating_lower, p.rating_upper, p.moved_frontier, p.trend_rating, p.trend_lower, p.trend_upper,
    p.trend_points_per_year, g.parameters_total, g.weight_format, g.published_bits, g.serving_memory_gib,
    g.gpu_memory_gb, g.gpus_needed, g.rule_of_thumb_gib, g.rule_of_thumb_gpus
FROM marts.arena_progress AS p
LEFT JOIN core.model_releases AS r ON r.model = p.model
LEFT JOIN marts.frontier_gpu_demand AS g ON g.publication = p.publication AND g.as_of_date = p.as_of_date
    AND g.arena = p.arena AND g.category = p.category AND g.style_control = p.style_control AND g.model = p.model
WHERE p.publication = $publication AND p.as_of_date = $as_of_date AND p.arena = $arena AND p.category = $category
    AND p.style_control = $style_control
ORDER BY p.is_open, p.release_date, p.rating, p.model
