-- Who moved in one domain with the newest snapshots of boards, and why.
SELECT model_id, mode, effort, ability_before, ability, change, reason, new_results, is_beyond_noise, before_date,
    as_of_date
FROM marts.ability_changes
WHERE domain = $domain
ORDER BY abs(change) DESC NULLS LAST, model_id
