-- Domains with a fit of ability against size and date.
SELECT domain, max(models) AS models FROM marts.ability_growth GROUP BY domain ORDER BY domain <> 'overall', domain
