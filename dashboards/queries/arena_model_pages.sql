-- Which model each name on the arena means, where that is known and it has a page.
SELECT name, min(model_id) AS page_of
FROM (
    SELECT name_in_source AS name, model_id FROM core.model_aliases WHERE source = 'lmarena'
    UNION ALL
    SELECT model AS name, model_id FROM core.arena_identities
)
WHERE model_id IN (SELECT model_id FROM marts.ability) OR model_id IN (SELECT model_id FROM core.models)
GROUP BY name
HAVING count(DISTINCT model_id) = 1
