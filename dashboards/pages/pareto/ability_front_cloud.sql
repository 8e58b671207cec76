-- Open models of known release date that are judged in a domain, with a cost of theirs.
SELECT a.model_id, m.release_date, m.weight_format, a.ability, a.as_of_date, CASE $cost
        WHEN 'weights_gib' THEN m.weights_gib WHEN 'memory_gib' THEN m.memory_gib
        WHEN 'parameters_total' THEN m.parameters_total WHEN 'parameters_active' THEN m.parameters_active
        WHEN 'time_per_token_s' THEN m.time_per_token_s ELSE m.usd_per_million_tokens END::DOUBLE AS value
FROM marts.ability AS a
JOIN marts.ability_models AS m USING (model_id)
WHERE a.domain = $domain AND a.is_headline AND a.evidence_class <> 'prior' AND m.openness = 'open'
    AND m.release_date IS NOT NULL AND value > 0
ORDER BY a.ability DESC, a.model_id
