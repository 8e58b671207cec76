-- Every open model that was ever on the front of ability against a cost, with the days between which it stood there.
SELECT f.model_id, m.weight_format, mode, ability, ability_low, ability_high, evidence_class, value, unit, entered_on, left_on,
    displaced_by, is_beyond_noise
FROM marts.ability_fronts AS f
LEFT JOIN marts.ability_models AS m USING (model_id)
WHERE domain = $domain AND cost = $cost
ORDER BY entered_on, value
