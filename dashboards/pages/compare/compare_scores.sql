-- Scores of the chosen models with their standard errors, of the entry that counts in marts.model_quality.
SELECT s.model_id, s.benchmark, max(s.score) AS score, max(s.standard_error) AS standard_error
FROM core.benchmark_scores AS s
JOIN core.leaderboard_entries AS e USING (snapshot_id, entry_id)
JOIN marts.model_quality AS q ON q.model_id = s.model_id AND q.open_llm_v2_as_of_date = e.as_of_date
    AND q.open_llm_v2_average = e.average
WHERE s.board = 'open_llm_v2' AND list_contains(string_split($models, '|'), s.model_id)
GROUP BY s.model_id, s.benchmark
ORDER BY s.benchmark
