SELECT domain, mode, effort, ability, ability_low, ability_high, ci_level, results, evidence_class, sources, is_headline, as_of_date, display_name, organization, release_date
FROM marts.ability
WHERE model_id = $model_id
ORDER BY domain <> 'overall', domain, ability DESC
