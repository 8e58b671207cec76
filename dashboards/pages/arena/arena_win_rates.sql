-- How often each model beat each other one in one set of votes, and how often the ratings say it would.
SELECT model, opponent, observed_win_rate, predicted_win_rate, votes
FROM marts.arena_win_rates
WHERE votes_id = $votes_id AND category = $category
ORDER BY model, opponent
