-- Models of one domain in the mode that speaks for each, the ablest first: what the estimate rests on, what the model
-- is, and what serving it takes under the one load.
SELECT
    a.model_id, coalesce(m.display_name, a.model_id) AS name, m.organization, m.openness, m.openness_basis,
    a.mode, a.effort, a.ability, a.ability_low, a.ability_high, a.ci_level, a.results, a.sources, a.evidence_class,
    a.as_of_date, m.release_date, m.release_date_basis, m.licence, m.licence_basis,
    m.parameters_total / 1e9 AS parameters_billion, m.parameters_active / 1e9 AS active_parameters_billion,
    m.parameters_basis, m.weight_format, m.weights_gib, m.memory_gib, m.devices, m.tokens_per_s, m.tokens_per_s_low,
    m.tokens_per_s_high, m.time_per_token_s, m.usd_per_million_tokens, m.usd_per_million_tokens_low,
    m.usd_per_million_tokens_high, c.change, c.reason, c.is_beyond_noise, c.before_date
FROM marts.ability AS a
JOIN marts.ability_models AS m USING (model_id)
LEFT JOIN marts.ability_changes AS c ON c.domain = a.domain AND c.model_id = a.model_id AND c.mode = a.mode
    AND c.effort IS NOT DISTINCT FROM a.effort
WHERE a.domain = $domain AND a.is_headline
ORDER BY a.ability DESC, a.model_id
