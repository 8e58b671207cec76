-- What can be asked of the choices: accelerators, how many of them, batches and contexts.
SELECT p.accelerator, p.tensor_parallel AS devices, p.batch, p.context,
    any_value(a.memory_gb) AS memory_gb, any_value(a.calibrated_from IS NOT NULL) AS is_calibrated
FROM marts.roofline_points AS p JOIN core.accelerators AS a USING (accelerator)
WHERE p.stage = 'decode'
GROUP BY ALL
ORDER BY ALL
