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

-- FROM choice_front('RTX-4090', 1, 1, 8192): of the models that fit for sure on at most so many of these, with so many
-- sequences of that context, those that no other beats on both quality (Open LLM v2 average) and tokens per second;
-- each in the most exact precision that fits, since nobody measured what fewer bits cost it, on as few as it fits on.
CREATE MACRO choice_front(device, devices_, batch_, context_) AS TABLE
    SELECT * EXCLUDE (_best_faster, _best_as_fast)
    FROM (
        SELECT *,
            max(open_llm_v2_average) OVER (
                ORDER BY tokens_per_s DESC RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP
            ) AS _best_faster,
            max(open_llm_v2_average) OVER (PARTITION BY tokens_per_s) AS _best_as_fast
        FROM (
            SELECT * FROM marts.choices
            WHERE accelerator = device AND devices <= devices_ AND batch = batch_ AND context = context_
                AND verdict = 'fits' AND open_llm_v2_average IS NOT NULL
                AND is_on_hub IS DISTINCT FROM false AND is_flagged IS DISTINCT FROM true
            QUALIFY row_number() OVER (PARTITION BY model_id ORDER BY weight_bits DESC, devices) = 1
        )
    )
    WHERE open_llm_v2_average = _best_as_fast AND (_best_faster IS NULL OR open_llm_v2_average > _best_faster)
    ORDER BY tokens_per_s DESC;

-- FROM ability_on(DATE '2026-08-31'): one row per domain and model that was out by that day, in the mode that speaks for
-- it; models that nobody judged, and those without a date, are left out. Weights do not change, so that a model of then
-- has the ability known today.
CREATE MACRO ability_on(day) AS TABLE
    SELECT * FROM marts.ability
    WHERE is_headline AND evidence_class <> 'prior' AND release_date <= day
    ORDER BY domain, ability DESC;
