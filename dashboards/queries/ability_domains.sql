-- Domains in which models were judged, the one of most models first.
SELECT domain, count(*) AS models, max(as_of_date) AS as_of_date
FROM marts.ability
WHERE is_headline AND evidence_class <> 'prior'
GROUP BY domain
ORDER BY domain <> 'overall', models DESC, domain
