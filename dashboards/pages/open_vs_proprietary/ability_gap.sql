-- The gap in ability on each day on which a best model of either side was released, and today, in one domain.
SELECT on_date, open_model, open_ability, open_low, open_high, proprietary_model, proprietary_ability, proprietary_low,
    proprietary_high, gap_points, gap_low, gap_high, ci_level, gap_least, gap_most, unknown_models, unknown_above,
    lag_months, lag_model, as_of_date
FROM marts.ability_gap
WHERE domain = $domain
ORDER BY on_date
