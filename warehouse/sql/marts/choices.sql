-- Models of a shape share its passes; money, energy and carbon follow from speed as in profiling/answers/cost.py, and equal
-- `marts.serving_cost` and `marts.carbon_footprint` where those have a row (a test holds them together).
WITH
passes AS (
    SELECT
        model_id AS architecture_id, precision, accelerator, tensor_parallel AS devices, batch, context,
        any_value(weight_bits) AS weight_bits,
        CASE max(CASE verdict WHEN 'fits' THEN 0 WHEN 'borderline' THEN 1 ELSE 2 END)
            WHEN 0 THEN 'fits' WHEN 1 THEN 'borderline' ELSE 'does not fit' END AS verdict,
        max(memory_low_gib) AS memory_low_gib,
        max(memory_high_gib) AS memory_high_gib,
        bool_and(is_calibrated) AS is_calibrated,
        count(tokens_per_s) = count(*) AS runs,
        max(predicted_low_s) FILTER (stage = 'prefill') AS first_low,
        max(predicted_s) FILTER (stage = 'prefill') AS first,
        max(predicted_high_s) FILTER (stage = 'prefill') AS first_high,
        max(predicted_low_s) FILTER (stage = 'decode') AS step_low,
        max(predicted_s) FILTER (stage = 'decode') AS step,
        max(predicted_high_s) FILTER (stage = 'decode') AS step_high
    FROM marts.roofline_points
    WHERE stage IN ('prefill', 'decode')
    GROUP BY ALL
),
devices AS (
    SELECT
        accelerator, power_w, drawn_fraction_low, drawn_fraction, drawn_fraction_high, host_low_w, host_w, host_high_w,
        -- Engines allow themselves nine tenths of what the device reports (profiling/memory/need.py, vllm-v1).
        0.9 * usable_memory_gib AS memory_budget_gib
    FROM core.accelerators
),
offers AS (
    SELECT accelerator, usd_per_device_hour, basis AS price_source
    FROM marts.accelerator_market_prices
    WHERE price_kind = 'on_demand' AND is_usual
),
world AS (
    SELECT
        'WLD by codecarbon' AS grid,
        codecarbon_g_co2e_per_kwh * 1.2 / 3.6e6 AS g_co2e_per_joule -- 1.2: the building over the devices
    FROM core.grid_carbon_intensity WHERE country_code = 'WLD'
),
-- Memory grows with the batch by the same cache for each sequence.
room AS (
    SELECT
        architecture_id, precision, accelerator, devices, context,
        CASE WHEN count(*) > 1 AND regr_slope(memory_high_gib, batch) > 0
            THEN greatest(0, floor(
                (any_value(memory_budget_gib) - regr_intercept(memory_high_gib, batch)) / regr_slope(memory_high_gib, batch)
            ))::BIGINT END AS max_batch
    FROM passes JOIN devices USING (accelerator)
    GROUP BY ALL
),
served AS (
    SELECT
        p.*, d.memory_budget_gib, d.drawn_fraction_low, d.drawn_fraction, d.drawn_fraction_high, r.max_batch,
        d.host_low_w, d.host_w, d.host_high_w,
        CASE WHEN runs THEN batch END AS tokens_per_step,
        devices * o.usd_per_device_hour / 3600 * 1e6 AS usd_per_second_of_a_million,
        devices * d.power_w * 1e6 AS joules_per_second_of_a_million,
        o.usd_per_device_hour, o.price_source
    FROM passes AS p
    JOIN devices AS d USING (accelerator)
    JOIN room AS r USING (architecture_id, precision, accelerator, devices, context)
    LEFT JOIN offers AS o USING (accelerator)
)
SELECT
    q.model_id, s.precision, s.accelerator, s.devices, s.batch, s.context, s.weight_bits,
    s.verdict, s.memory_low_gib, s.memory_high_gib, s.memory_budget_gib, s.max_batch,
    CASE WHEN runs THEN first_low END AS time_to_first_token_low_s,
    CASE WHEN runs THEN first END AS time_to_first_token_s,
    CASE WHEN runs THEN first_high END AS time_to_first_token_high_s,
    CASE WHEN runs THEN step_low END AS time_per_output_token_low_s,
    CASE WHEN runs THEN step END AS time_per_output_token_s,
    CASE WHEN runs THEN step_high END AS time_per_output_token_high_s,
    tokens_per_step / step_high AS tokens_per_s_low,
    tokens_per_step / step AS tokens_per_s,
    tokens_per_step / step_low AS tokens_per_s_high,
    usd_per_second_of_a_million * step_low / tokens_per_step AS usd_low_per_million_tokens,
    usd_per_second_of_a_million * step / tokens_per_step AS usd_per_million_tokens,
    usd_per_second_of_a_million * step_high / tokens_per_step AS usd_high_per_million_tokens,
    drawn_fraction_low * joules_per_second_of_a_million * step_low / tokens_per_step AS joules_low_per_million_tokens,
    drawn_fraction * joules_per_second_of_a_million * step / tokens_per_step AS joules_per_million_tokens,
    drawn_fraction_high * joules_per_second_of_a_million * step_high / tokens_per_step AS joules_high_per_million_tokens,
    s.devices * host_low_w * 1e6 * step_low / tokens_per_step AS host_joules_low_per_million_tokens,
    s.devices * host_w * 1e6 * step / tokens_per_step AS host_joules_per_million_tokens,
    s.devices * host_high_w * 1e6 * step_high / tokens_per_step AS host_joules_high_per_million_tokens,
    (joules_low_per_million_tokens + host_joules_low_per_million_tokens) * g_co2e_per_joule AS g_co2e_low_per_million_tokens,
    (joules_per_million_tokens + host_joules_per_million_tokens) * g_co2e_per_joule AS g_co2e_per_million_tokens,
    (joules_high_per_million_tokens + host_joules_high_per_million_tokens) * g_co2e_per_joule AS g_co2e_high_per_million_tokens,
    s.is_calibrated, s.usd_per_device_hour, s.price_source, w.grid,
    -- Boards did not measure what fewer bits cost; abilities are less what they are predicted to cost.
    q.* EXCLUDE (model_id) REPLACE (a.ability AS ability, a.ability_low AS ability_low, a.ability_high AS ability_high)
FROM served AS s
CROSS JOIN world AS w
JOIN marts.model_quality AS q USING (architecture_id)
LEFT JOIN marts.ability_by_precision AS a ON a.model_id = q.model_id AND a.precision = s.precision
