-- Functions for people who write SQL against the published warehouse.

CREATE MACRO bits_per_weight(number_format) AS
    CASE lower(number_format)
        WHEN 'float32' THEN 32.0 WHEN 'float16' THEN 16.0 WHEN 'bfloat16' THEN 16.0
        WHEN '8bit' THEN 8.0 WHEN '4bit' THEN 4.0 WHEN 'gptq' THEN 4.15625
    END;

-- weights_gib(7e9, 16): weights in memory, without cache and activations.
CREATE MACRO weights_gib(parameters, bits) AS parameters * bits / 8 / 1073741824.0;

-- error_pct(72.5) = 27.5
CREATE MACRO error_pct(score) AS 100 - score;

-- FROM pareto_front('core.leaderboard_entries', size_gib, average): rows of a table or view that no other row
-- beats on both; the first column is minimised, the second maximised; equal rows are all kept, and rows where
-- either is null, NaN or infinite never enter. One sort instead of an anti-join: O(n log n).
CREATE MACRO pareto_front(points, minimised, maximised) AS TABLE
    SELECT * EXCLUDE (_cost, _score, _best_at_cost, _best_below)
    FROM (
        SELECT *,
            max(_score) OVER (PARTITION BY _cost) AS _best_at_cost,
            max(_score) OVER (
                ORDER BY _cost RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
            ) AS _best_below
        FROM (
            SELECT *, (minimised)::DOUBLE AS _cost, (maximised)::DOUBLE AS _score
            FROM query_table(points)
        )
        WHERE isfinite(_cost) AND isfinite(_score)
    )
    WHERE _score = _best_at_cost AND (_best_below IS NULL OR _score > _best_below)
    ORDER BY _cost;

-- FROM front_on(DATE '2024-12-31'): members of every front as of that submission date.
CREATE MACRO front_on(day) AS TABLE
    SELECT * FROM marts.pareto_front_history
    WHERE entered_on <= day AND (left_on IS NULL OR left_on > day)
    ORDER BY objectives, cost;
