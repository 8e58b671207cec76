-- Rank by interval of each model without and with style controlled for: from the two boards of a day where both were
-- published with intervals, else from the two ranks that a board printed. Levels of the two are not comparable.
WITH both_boards AS (
    SELECT model, style_control, rating, rating_lower, rating_upper FROM core.arena_board
    WHERE publication = $publication AND as_of_date = $as_of_date AND arena = $arena AND category = $category
        AND rating_lower IS NOT NULL
), ranked AS (
    SELECT b.model, b.style_control, b.rating, 1 + (
        SELECT count(*) FROM both_boards AS o
        WHERE o.style_control = b.style_control AND o.rating_lower > b.rating_upper
    ) AS rank
    FROM both_boards AS b
)
SELECT
    a.model, a.rank AS rank_plain, c.rank AS rank_controlled, a.rating AS rating_plain, c.rating AS rating_controlled
FROM ranked AS a
JOIN ranked AS c ON c.model = a.model AND c.style_control
WHERE NOT a.style_control
UNION ALL
SELECT model, rank, rank_style_control, rating, NULL
FROM core.arena_board
WHERE publication = $publication AND as_of_date = $as_of_date AND arena = $arena AND category = $category
    AND rank IS NOT NULL AND rank_style_control IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM both_boards WHERE style_control)
ORDER BY rank_plain, rank_controlled, model
