SELECT e.accelerator, e.weight_format, e.engine, e.devices, e.batch, e.compared_as, e.measured, e.predicted, e.low, e.high,
    100 * (e.predicted / e.measured - 1) AS error_pct, e.unit, m.source
FROM marts.end_to_end_error AS e
JOIN core.end_to_end_measurements AS m USING (measurement_id)
WHERE e.model_id = $model_id AND e.measured > 0
ORDER BY e.accelerator, e.compared_as, e.batch
