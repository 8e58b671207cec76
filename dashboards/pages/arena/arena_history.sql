-- Ratings of every model on every date of one series of boards.
SELECT as_of_date, model, rating, rating_lower, rating_upper, votes
FROM core.arena_board
WHERE publication = $publication AND arena = $arena AND category = $category AND style_control = $style_control
    AND rating IS NOT NULL
ORDER BY model, as_of_date
