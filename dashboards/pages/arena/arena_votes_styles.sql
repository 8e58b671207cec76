-- Rank by interval of each model without and with style controlled for, from one set of votes.
SELECT
    a.model, a.rank_best AS rank_plain, c.rank_best AS rank_controlled, a.rating AS rating_plain,
    c.rating AS rating_controlled
FROM marts.arena_ratings AS a
JOIN marts.arena_ratings AS c USING (votes_id, category, model)
WHERE votes_id = $votes_id AND category = $category AND a.method = 'bradley-terry'
    AND c.method = 'bradley-terry, style controlled' AND a.rank_best IS NOT NULL AND c.rank_best IS NOT NULL
ORDER BY rank_plain, rank_controlled, model
