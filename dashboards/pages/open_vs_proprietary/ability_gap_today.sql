-- The gap in ability on the day of the newest result, by domain.
SELECT domain, on_date, open_model, open_ability, open_low, open_high, proprietary_model, proprietary_ability,
    proprietary_low, proprietary_high, gap_points, gap_low, gap_high, ci_level, gap_least, gap_most, unknown_models,
    unknown_above, lag_months, lag_model
FROM marts.ability_gap
WHERE on_date = as_of_date
ORDER BY domain <> 'overall', domain
