-- What a doubling of size and a year brought in ability: fits on size alone, on date alone, and on both.
SELECT terms, intercept, reference_date, points_per_doubling, points_per_doubling_lower, points_per_doubling_upper,
    points_per_year, points_per_year_lower, points_per_year_upper, r_squared, models, makers, as_of_date
FROM marts.ability_growth
WHERE domain = $domain AND size_basis = $size_basis
