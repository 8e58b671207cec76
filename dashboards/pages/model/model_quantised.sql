-- What was measured of the model when it was quantised, beside what a fit to other models only predicts for it.
SELECT format, benchmark, metric, layer_bits, -measured AS lost, -predicted AS predicted, -predicted_high AS predicted_low,
    -predicted_low AS predicted_high, is_resolved, method, source
FROM marts.quantisation_pairs
WHERE model_id = $model_id AND metric = 'benchmark_percent'
ORDER BY layer_bits DESC, format, benchmark, source
