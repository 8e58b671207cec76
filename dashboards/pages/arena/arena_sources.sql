-- Every published board that rates models, the newest first.
SELECT publication, arena, category, style_control, as_of_date, count(*) AS models, count(rating_lower) AS with_interval
FROM core.arena_board
WHERE rating IS NOT NULL
GROUP BY ALL
ORDER BY publication, arena, category, style_control, as_of_date DESC
