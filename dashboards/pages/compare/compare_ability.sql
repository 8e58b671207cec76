-- Abilities of the chosen models in every domain, each in its representative mode.
SELECT model_id, domain, mode, effort, ability, ability_low, ability_high, ci_level, results, sources, evidence_class,
    as_of_date
FROM marts.ability
WHERE is_headline AND list_contains(string_split($models, '|'), model_id)
ORDER BY domain <> 'overall', domain, model_id
