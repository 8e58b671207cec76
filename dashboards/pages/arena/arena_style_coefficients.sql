-- How far length and formatting move a vote in one set of votes, at equal ratings.
SELECT feature, coefficient, coefficient_lower, coefficient_upper
FROM marts.arena_style_coefficients
WHERE votes_id = $votes_id AND category = $category
ORDER BY abs(coefficient) DESC
