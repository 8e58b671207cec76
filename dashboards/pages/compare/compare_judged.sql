-- Judged models that can be compared, the ablest first, open ones before others.
SELECT a.model_id
FROM marts.ability AS a
JOIN marts.ability_models AS m USING (model_id)
WHERE a.domain = 'overall' AND a.is_headline AND a.evidence_class <> 'prior'
ORDER BY m.openness <> 'open', a.ability DESC, a.model_id
