-- Open models that are judged in a domain, of known size and release date: those of the fits.
SELECT a.model_id, m.release_date, a.ability, a.ability_low, a.ability_high, a.evidence_class, a.as_of_date,
    if($size_basis = 'parameters_active', m.parameters_active, m.parameters_total) / 1e9 AS billions
FROM marts.ability AS a
JOIN marts.ability_models AS m USING (model_id)
WHERE a.domain = $domain AND a.is_headline AND a.evidence_class <> 'prior' AND m.openness = 'open'
    AND m.release_date IS NOT NULL AND billions > 0
ORDER BY a.ability DESC, a.model_id
