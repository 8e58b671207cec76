-- Boards of all publications as one series, as the arena shows them: each rating on the level of the newest board, the
-- published one beside.
SELECT as_of_date, publication, style_control, identity, model, rating, rating_lower, rating_upper, published_rating,
    offset_points, offset_standard_error, segment
FROM marts.arena_series
WHERE arena = $arena AND category = $category AND series = 'as shown'
ORDER BY identity, as_of_date
