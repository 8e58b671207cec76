-- Models made from this one or from the same base, and its publisher's of the same architecture.
WITH me AS (
    SELECT $model_id AS model_id, split_part($model_id, '/', 1) AS publisher,
        (SELECT base_model FROM core.models WHERE model_id = $model_id) AS base_model,
        (SELECT any_value(model_type) FROM core.architectures WHERE model_id IN ($model_id, $shapes_id)) AS model_type
), related AS (
    SELECT me.base_model AS model_id, 1 AS place, 'its base model' AS relation FROM me WHERE me.base_model IS NOT NULL
    UNION ALL
    SELECT m.model_id, 2, 'derived from it' FROM core.models AS m, me WHERE m.base_model = me.model_id
    UNION ALL
    SELECT m.model_id, 3, 'same base model' FROM core.models AS m, me WHERE m.base_model = me.base_model
    UNION ALL
    SELECT a.model_id, 4, 'same publisher and architecture' FROM core.architectures AS a, me
    WHERE a.model_type = me.model_type AND split_part(a.model_id, '/', 1) = me.publisher
)
SELECT r.model_id, arg_min(r.relation, r.place) AS relation,
    any_value(coalesce(a.parameters_total, m.parameters_total)) / 1e9 AS parameters_billion,
    any_value(coalesce(a.release_date, m.uploaded_on)) AS release_date,
    any_value(b.ability) AS ability, any_value(b.ability_low) AS ability_low, any_value(b.ability_high) AS ability_high
FROM related AS r
LEFT JOIN core.architectures AS a USING (model_id)
LEFT JOIN core.models AS m USING (model_id)
LEFT JOIN (FROM marts.ability WHERE domain = 'overall' AND is_headline) AS b USING (model_id)
WHERE r.model_id <> $model_id
GROUP BY r.model_id
ORDER BY min(r.place), parameters_billion DESC NULLS LAST, r.model_id
LIMIT 60
