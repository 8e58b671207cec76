-- Runs whose points were measured, the newest first.
SELECT e.run_id, e.environment_id, e.device, e.device_kind, e.threads, e.torch, e.name, e.measured_at, e.is_virtual,
       e.processor_cores, count(p.point_id) AS points, count(*) FILTER (p.status = 'ok') AS measured,
       count(*) FILTER (p.is_contended) AS contended
FROM core.profile_environments AS e
LEFT JOIN marts.profile_points AS p USING (run_id)
GROUP BY ALL
ORDER BY e.measured_at DESC, e.run_id
