-- Members of one front, from the cheapest.
SELECT
    position, model_id, entry_id, precision, family, score, standard_error, cost, cost_unit, size_gib,
    parameters_total / 1e9 AS parameters_billion, evaluation_co2_kg, marginal_cost_per_point,
    beyond_noise_of_previous, contenders_within_noise, hypervolume_contribution
FROM marts.pareto_front
WHERE snapshot_id = $snapshot_id AND objectives = $objectives
    AND segment_by = $segment_by AND segment = $segment
ORDER BY position NULLS LAST, cost, score
