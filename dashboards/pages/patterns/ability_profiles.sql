-- Abilities of judged models in every domain beside their ability overall.
SELECT a.model_id, m.openness, a.domain, a.ability, a.ability_low, a.ability_high, a.results, a.sources,
    a.evidence_class, a.as_of_date, o.ability AS overall, o.ability_high - o.ability_low AS overall_width
FROM marts.ability AS a
JOIN marts.ability AS o ON o.model_id = a.model_id AND o.domain = 'overall' AND o.is_headline
JOIN marts.ability_models AS m ON m.model_id = a.model_id
WHERE a.domain <> 'overall' AND a.is_headline AND a.evidence_class <> 'prior'
ORDER BY overall DESC, a.model_id, a.domain
