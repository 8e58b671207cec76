-- The same entries in consecutive snapshots: how many of their CO₂ figures doubled to a thousandth, and how many stayed.
WITH dated AS (
    SELECT board, as_of_date, entry_id, max(evaluation_co2_kg) AS kg,
        dense_rank() OVER (PARTITION BY board ORDER BY as_of_date) AS place
    FROM core.leaderboard_entries WHERE evaluation_co2_kg > 0
    GROUP BY board, as_of_date, entry_id
)
SELECT a.board, a.as_of_date AS from_date, b.as_of_date AS to_date, count(*) AS common,
    count(*) FILTER (abs(b.kg / a.kg - 2) < 0.001) AS doubled, count(*) FILTER (abs(b.kg / a.kg - 1) < 0.001) AS same,
    sum(a.kg) AS before_kg, sum(b.kg) AS after_kg
FROM dated AS a JOIN dated AS b ON a.board = b.board AND a.entry_id = b.entry_id AND b.place = a.place + 1
GROUP BY ALL ORDER BY to_date
