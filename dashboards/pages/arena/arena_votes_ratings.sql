-- Ratings of one set of votes by one method, the best first; models that cannot be rated last, with the reason.
WITH named AS (
    SELECT regexp_replace(lower(replace(name, '+', 'plus')), '[^a-z0-9]+', '', 'g') AS plain, min(shown) AS shown
    FROM (
        SELECT model AS name, model AS shown FROM core.model_releases
        UNION ALL SELECT model_key, model FROM core.model_releases WHERE model_key IS NOT NULL
    )
    GROUP BY 1
), latest AS (
    SELECT model, max_by(licence_class, valid_from) AS licence_class, max_by(licence, valid_from) AS licence
    FROM core.model_licences GROUP BY model
), makers AS (
    SELECT model, max_by(organization, as_of_date) AS organization
    FROM core.arena_board WHERE organization IS NOT NULL GROUP BY model
)
SELECT
    v.rank_best, v.rank_worst, v.model, k.organization, l.licence_class, l.licence, v.rating, v.rating_lower,
    v.rating_upper, v.battles AS votes, v.average_win_rate, v.standing, r.release_date, r.grade AS release_grade
FROM marts.arena_ratings AS v
LEFT JOIN named AS n
    ON n.plain = regexp_replace(lower(replace(v.model, '+', 'plus')), '[^a-z0-9]+', '', 'g')
LEFT JOIN core.model_releases AS r ON r.model = n.shown
LEFT JOIN latest AS l ON l.model = n.shown
LEFT JOIN makers AS k ON k.model = n.shown
WHERE v.votes_id = $votes_id AND v.method = $method AND v.category = $category
ORDER BY v.rating DESC NULLS LAST, v.model
