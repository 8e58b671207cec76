-- Rating of each model in each category less its rating overall, and less the median of that over all models of the
-- board: every category has a level of its own, so only what differs between models says something about them.
WITH own AS (
    SELECT model, category, rating, rating_lower, rating_upper FROM core.arena_board
    WHERE publication = $publication AND as_of_date = $as_of_date AND arena = $arena
        AND style_control = $style_control AND rating IS NOT NULL
)
SELECT
    c.category, c.model, c.rating, o.rating AS overall_rating, c.rating - o.rating AS raw_delta_points,
    raw_delta_points - median(raw_delta_points) OVER (PARTITION BY c.category) AS delta_points,
    (c.rating_upper - c.rating_lower) / 2 AS half_interval_points, count(*) OVER (PARTITION BY c.category) AS models
FROM own AS c
JOIN own AS o ON o.model = c.model AND o.category = 'overall'
WHERE c.category <> 'overall'
ORDER BY c.category, delta_points DESC
