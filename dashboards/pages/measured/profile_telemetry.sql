-- Samples of a run.
SELECT elapsed_s, power_w, utilisation_share, clock_mhz, temperature_c, memory_used_bytes, load_1min
FROM marts.profile_telemetry
WHERE run_id = $run_id
ORDER BY position
