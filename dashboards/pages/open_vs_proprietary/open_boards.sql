-- Every published board: its gap between the best open and the best proprietary model, or none.
WITH boards AS (
    SELECT publication, as_of_date, arena, category, style_control, count(*) AS models
    FROM core.arena_board WHERE rating IS NOT NULL GROUP BY ALL
)
SELECT
    b.publication, b.as_of_date, b.arena, b.category, b.style_control, b.models, g.gap_points, g.gap_points_lower,
    g.gap_points_upper, g.open_win_probability, g.lag_months, g.lag_model, g.lag_is_lower_bound, g.best_open_model,
    g.best_open_rating, g.best_proprietary_model, g.best_proprietary_rating, g.models_without_class,
    g.gap_least, g.gap_most, g.unknown_above
FROM boards AS b
LEFT JOIN marts.open_vs_proprietary AS g USING (publication, as_of_date, arena, category, style_control)
ORDER BY b.publication, b.arena, b.category, b.style_control, b.as_of_date DESC
