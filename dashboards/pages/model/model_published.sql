-- What sources say of a model itself; its shapes' row where it has one.
WITH asked AS (SELECT $model_id AS model_id, $shapes_id AS shapes_id)
SELECT coalesce(j.release_date, own.release_date) AS release_date,
    CASE WHEN j.release_date IS NULL THEN own.release_date_basis ELSE j.release_date_basis END AS release_date_basis,
    own.licence, own.licence_basis,
    a.source AS shapes_source,
    a.transformers_count_difference, a.published_parameters_billions, a.published_basis, a.published_difference_pct,
    f.display_name, f.organization, f.release_date AS listed_on, f.knowledge_cutoff, f.context_tokens, f.output_tokens,
    f.is_open_weights, f.source AS facts_source,
    m.licence AS board_licence, m.base_model, m.organisation, m.parameters_total AS board_parameters,
    m.parameters_total_source
FROM asked
LEFT JOIN core.architectures AS a ON a.model_id = asked.shapes_id
-- Shapes may be another model's; its date and its licence are not.
LEFT JOIN core.architectures AS own ON own.model_id = asked.model_id
-- The date by which fronts and boards place it.
LEFT JOIN marts.ability_models AS j ON j.model_id = asked.model_id
LEFT JOIN (SELECT * FROM core.model_facts ORDER BY snapshot_date DESC) AS f ON f.model_id = asked.model_id
LEFT JOIN core.models AS m ON m.model_id = asked.model_id
LIMIT 1
