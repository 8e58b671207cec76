-- Every model in every precision on the chosen hardware, whether it fits or not.
SELECT *
FROM marts.choices
WHERE accelerator = $accelerator AND devices = $devices AND batch = $batch AND context = $context
ORDER BY model_id, weight_bits DESC
