-- Every measurement of a whole pass with what was predicted for it, or the reason that it could not be asked.
SELECT error.*, measured.source, measured.model_as_reported, measured.device_as_reported, measured.input_tokens,
    measured.output_tokens, measured.context_depth, measured.evidence, measured.note
FROM marts.end_to_end_error AS error
JOIN core.end_to_end_measurements AS measured USING (measurement_id)
ORDER BY measurement_id
