-- Ratings within windows of time of one set of votes, each window shifted to the mean of its models overall.
SELECT window_start AS as_of_date, model, rating, rating_lower, rating_upper, battles AS votes
FROM marts.arena_drift
WHERE votes_id = $votes_id
ORDER BY model, as_of_date
