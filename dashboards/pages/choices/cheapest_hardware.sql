-- For a wanted quality: on each accelerator the model that is cheapest to rent, or least hungry where nobody rents it out.
WITH wanted AS (
    -- Models of one architecture cost the same; the best of each will do. Abilities differ by precision.
    SELECT arg_max(model_id, quality) AS model_id, max(quality) AS quality, precision
    FROM (
        SELECT model_id, q.architecture_id, precision, CASE $quality WHEN 'ability' THEN a.ability
            WHEN 'open_llm_v2_average' THEN open_llm_v2_average WHEN 'open_llm_v1_average' THEN open_llm_v1_average
            WHEN 'arena_rating' THEN arena_rating WHEN 'ifeval' THEN ifeval WHEN 'bbh' THEN bbh
            WHEN 'math_lvl_5' THEN math_lvl_5 WHEN 'gpqa' THEN gpqa WHEN 'musr' THEN musr WHEN 'mmlu_pro' THEN mmlu_pro
            WHEN 'weighted' THEN ($w_ifeval * ifeval + $w_bbh * bbh + $w_math * math_lvl_5 + $w_gpqa * gpqa
                + $w_musr * musr + $w_mmlu * mmlu_pro)
                / nullif($w_ifeval + $w_bbh + $w_math + $w_gpqa + $w_musr + $w_mmlu, 0)
            END AS quality
        FROM marts.model_quality AS q
        CROSS JOIN (VALUES ('w16a16kv16'), ('w8a8kv8'), ('w4a16kv16')) AS precisions (precision)
        LEFT JOIN marts.ability_by_precision AS a USING (model_id, precision)
        WHERE is_on_hub IS DISTINCT FROM false AND is_flagged IS DISTINCT FROM true AND q.architecture_id IS NOT NULL
            AND ($licence = 'any' OR licence_class = 'open_source'
                OR ($licence = 'commercial' AND licence_class = 'open_weights'))
            AND ($maker = 'any' OR is_official_provider)
    )
    WHERE quality >= $least
    GROUP BY architecture_id, precision
)
SELECT
    c.accelerator, c.devices, c.model_id, w.quality, c.precision, c.architecture_id, c.memory_high_gib, c.tokens_per_s,
    c.usd_per_device_hour * c.devices AS usd_per_hour, c.usd_per_million_tokens,
    (c.joules_per_million_tokens + c.host_joules_per_million_tokens) / 3.6e6 AS kwh_per_million_tokens,
    c.g_co2e_per_million_tokens, c.batch, c.context
FROM marts.choices AS c JOIN wanted AS w USING (model_id, precision)
WHERE c.batch = $batch AND c.context = $context AND c.verdict = 'fits'
QUALIFY row_number() OVER (
    PARTITION BY c.accelerator, c.devices
    ORDER BY c.usd_per_million_tokens NULLS LAST, kwh_per_million_tokens NULLS LAST, c.tokens_per_s DESC
) = 1
ORDER BY usd_per_hour NULLS LAST, kwh_per_million_tokens NULLS LAST
