SELECT model_id FROM marts.ability
UNION
SELECT model_id FROM core.benchmark_results WHERE model_id IS NOT NULL
UNION
SELECT hf_model_id FROM core.api_prices WHERE hf_model_id IS NOT NULL
UNION
SELECT model_id FROM core.models WHERE model_id IS NOT NULL
ORDER BY ALL
