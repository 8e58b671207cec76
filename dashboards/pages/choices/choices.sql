-- Every model in every precision on the chosen hardware, whether it fits or not: on as few of the devices as it surely
-- fits, else perhaps fits; what does not fit on all of them is told as it would be on one.
SELECT *
FROM marts.choices
WHERE accelerator = $accelerator AND devices <= $devices AND batch = $batch AND context = $context
QUALIFY row_number() OVER (
    PARTITION BY model_id, precision
    ORDER BY CASE verdict WHEN 'fits' THEN 0 WHEN 'borderline' THEN 1 ELSE 2 END, devices
) = 1
ORDER BY model_id, weight_bits DESC
