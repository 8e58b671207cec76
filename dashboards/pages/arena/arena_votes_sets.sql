-- Every set of votes that was rated here, by method and category.
SELECT votes_id, method, category, count(*) AS models, count(rating) AS rated, sum(battles) / 2 AS votes
FROM marts.arena_ratings
GROUP BY ALL
HAVING count(rating) > 1
ORDER BY votes_id, method, category
