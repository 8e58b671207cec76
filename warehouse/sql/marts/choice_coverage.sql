-- What did not join is counted, not forgotten: models of each source by the rule that gives them an architecture.
WITH
named AS (
    SELECT 'open_llm_v2, ' || open_llm_v2_as_of_date AS source, * FROM marts.model_quality
    WHERE open_llm_v2_average IS NOT NULL
    UNION ALL
    SELECT 'open_llm_v1, ' || open_llm_v1_as_of_date, * FROM marts.model_quality WHERE open_llm_v1_average IS NOT NULL
    UNION ALL
    SELECT 'arena, ' || arena_board || ', ' || arena_as_of_date, * FROM marts.model_quality
    WHERE arena_rating IS NOT NULL
    UNION ALL
    SELECT 'ability, ' || ability_as_of_date, * FROM marts.model_quality WHERE ability IS NOT NULL
),
of_models AS (
    SELECT
        n.source,
        CASE
            WHEN k.is_timed THEN 'architecture: ' || replace(n.architecture_link, '_', ' ')
            WHEN k.model_id IS NOT NULL THEN 'architecture known, its operators are not'
            WHEN n.parameters_total IS NULL THEN 'no parameter count'
            WHEN n.parameters_total % 100000000 = 0 THEN 'parameter count too coarse to tell architectures apart'
            WHEN m.architecture IS NULL THEN 'no class stated'
            ELSE 'no single architecture of its class and count in the catalogue'
        END AS outcome,
        coalesce(k.is_timed, false) AS is_choosable
    FROM named AS n
    LEFT JOIN core.models AS m USING (model_id)
    LEFT JOIN core.architectures AS k ON k.model_id = n.architecture_id
),
-- Names of the arena that lead to no model of the hub; most of these have no published weights.
nameless AS (
    SELECT
        'arena, ' || q.arena_board || ', ' || q.arena_as_of_date AS source,
        CASE i.rule WHEN 'ambiguous' THEN 'several accounts have the name' ELSE 'no such name on the hub boards' END,
        false
    FROM (
        SELECT arena_board, arena_as_of_date FROM marts.model_quality WHERE arena_rating IS NOT NULL LIMIT 1
    ) AS q
    JOIN (
        SELECT model, as_of_date,
            publication || CASE WHEN style_control THEN ', style controlled' ELSE '' END AS arena_board
        FROM core.arena_board WHERE arena = 'text' AND category = 'overall' AND rating IS NOT NULL
        UNION ALL
        SELECT model, as_of_date, 'published ratings' FROM core.arena_published_ratings
    ) AS b ON b.arena_board = q.arena_board AND b.as_of_date = q.arena_as_of_date
    JOIN core.arena_identities AS i USING (model)
    WHERE i.model_id IS NULL
)
SELECT source, outcome, is_choosable, count(*) AS models
FROM (SELECT * FROM of_models UNION ALL SELECT * FROM nameless)
GROUP BY ALL
ORDER BY ALL
