-- Domains and costs for which there is a front of ability.
SELECT domain, cost, count(*) AS members
FROM marts.ability_fronts
GROUP BY domain, cost
ORDER BY domain <> 'overall', domain, cost
