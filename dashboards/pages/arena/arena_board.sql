-- Models of one board, the best first: rating and interval, ranks that the intervals support, licence and release.
WITH board AS (
    SELECT *,
        regexp_replace(lower(replace(coalesce(model_key, model), '+', 'plus')), '[^a-z0-9]+', '', 'g') AS plain
    FROM core.arena_board
    WHERE publication = $publication AND as_of_date = $as_of_date AND arena = $arena AND category = $category
        AND style_control = $style_control AND rating IS NOT NULL
), named AS (
    -- A release is listed under the name that boards show; vote files and some boards use the key.
    SELECT regexp_replace(lower(replace(name, '+', 'plus')), '[^a-z0-9]+', '', 'g') AS plain, min(shown) AS shown
    FROM (
        SELECT model AS name, model AS shown FROM core.model_releases
        UNION ALL SELECT model_key, model FROM core.model_releases WHERE model_key IS NOT NULL
    )
    GROUP BY 1
), periods AS (
    SELECT *, row_number() OVER (PARTITION BY model ORDER BY valid_from) = 1 AS is_first FROM core.model_licences
), makers AS (
    SELECT model, max_by(organization, as_of_date) AS organization
    FROM core.arena_board WHERE organization IS NOT NULL GROUP BY model
)
SELECT
    CASE WHEN b.rating_lower IS NOT NULL THEN 1 + (
        SELECT count(*) FROM board AS o WHERE o.rating_lower > b.rating_upper
    ) END AS rank_best,
    CASE WHEN b.rating_lower IS NOT NULL THEN (
        -- The model itself is among those whose upper bound lies above its lower bound, unless the two are equal.
        SELECT count(*) FROM board AS o WHERE o.rating_upper > b.rating_lower
    ) + CASE WHEN b.rating_upper > b.rating_lower THEN 0 ELSE 1 END END AS rank_worst,
    b.model, coalesce(p.organization, b.organization, k.organization) AS organization,
    coalesce(p.licence_class, l.licence_class) AS licence_class, coalesce(b.licence, l.licence) AS licence,
    b.rating, b.rating_lower, b.rating_upper, b.votes, b.rank AS rank_published,
    b.rank_style_control AS rank_style_control_published, r.release_date, r.grade AS release_grade,
    b.knowledge_cutoff, b.mt_bench_score, b.mmlu, b.snapshot_id, s.uri AS source_uri
FROM board AS b
LEFT JOIN named AS n USING (plain)
LEFT JOIN core.model_releases AS r ON r.model = n.shown
LEFT JOIN periods AS l ON l.model = n.shown AND (l.is_first OR b.as_of_date >= l.valid_from)
    AND (l.valid_to IS NULL OR b.as_of_date < l.valid_to)
LEFT JOIN makers AS k ON k.model = n.shown
LEFT JOIN marts.arena_progress AS p ON p.publication = b.publication AND p.as_of_date = b.as_of_date
    AND p.arena = b.arena AND p.category = b.category AND p.style_control = b.style_control AND p.model = b.model
LEFT JOIN meta.snapshots AS s ON s.snapshot_id = b.snapshot_id
ORDER BY b.rating DESC, b.model
