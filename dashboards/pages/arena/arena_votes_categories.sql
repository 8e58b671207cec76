-- The same from votes: rating in each category less the overall one, less the median of that over all models.
WITH own AS (
    SELECT model, category, rating, rating_lower, rating_upper FROM marts.arena_ratings
    WHERE votes_id = $votes_id AND method = $method AND rating IS NOT NULL
)
SELECT
    c.category, c.model, c.rating, o.rating AS overall_rating, c.rating - o.rating AS raw_delta_points,
    raw_delta_points - median(raw_delta_points) OVER (PARTITION BY c.category) AS delta_points,
    (c.rating_upper - c.rating_lower) / 2 AS half_interval_points, count(*) OVER (PARTITION BY c.category) AS models
FROM own AS c
JOIN own AS o ON o.model = c.model AND o.category = 'overall'
WHERE c.category <> 'overall'
ORDER BY c.category, delta_points DESC
