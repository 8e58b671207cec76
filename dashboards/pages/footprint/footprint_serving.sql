-- Energy of accelerators and hosts per million tokens on one kind of accelerator, by model and batch; carbon follows from the grid.
SELECT c.model_id, c.architecture_id, c.precision, c.devices, c.batch, c.context, c.parameters_total / 1e9 AS parameters_billion,
    c.parameters_active / 1e9 AS active_billion, c.open_llm_v2_average, c.open_llm_v2_standard_error,
    c.joules_low_per_million_tokens, c.joules_per_million_tokens, c.joules_high_per_million_tokens,
    c.host_joules_low_per_million_tokens, c.host_joules_per_million_tokens, c.host_joules_high_per_million_tokens,
    c.tokens_per_s,
    c.is_calibrated, c.verdict
FROM marts.choices AS c
WHERE c.accelerator = $accelerator AND c.context = $context AND c.precision = $precision
    AND c.architecture_link = 'itself' AND c.joules_per_million_tokens IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY c.model_id, c.batch ORDER BY c.devices) = 1
ORDER BY c.parameters_total, c.model_id, c.batch
