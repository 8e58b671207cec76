-- The fronts of ability that a model stands or stood on, from when to when, and who beat it.
SELECT domain, cost, value, unit, ability, ability_low, ability_high, entered_on, left_on, displaced_by
FROM marts.ability_fronts
WHERE model_id = $model_id
ORDER BY left_on IS NOT NULL, domain <> 'overall', domain, cost
