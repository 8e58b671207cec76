-- Sets of objectives and segments for which a snapshot has a front.
SELECT objectives, segment_by, segment, count(*) AS members
FROM marts.pareto_front
WHERE snapshot_id = $snapshot_id
GROUP BY ALL
ORDER BY objectives, segment_by, segment
