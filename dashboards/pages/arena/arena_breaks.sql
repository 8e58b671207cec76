-- Dates of one series of boards at which levels moved without the models moving: the models on both boards shifted
-- together by 2.5 points or more in the median, or fewer than five are on both, so that nothing says they did not.
WITH series AS (
    SELECT model, as_of_date, rating, dense_rank() OVER (ORDER BY as_of_date) AS place FROM core.arena_board
    WHERE publication = $publication AND arena = $arena AND category = $category AND style_control = $style_control
        AND rating IS NOT NULL
), dates AS (
    SELECT DISTINCT as_of_date, place FROM series
)
SELECT
    before.as_of_date AS before_date, after.as_of_date AS after_date,
    median(b.rating - a.rating) AS shift_points, count(b.rating) AS models
FROM dates AS before
JOIN dates AS after ON after.place = before.place + 1
LEFT JOIN series AS a ON a.place = before.place
LEFT JOIN series AS b ON b.place = after.place AND b.model = a.model
GROUP BY ALL
HAVING abs(shift_points) >= 2.5 OR models < 5
ORDER BY after_date
