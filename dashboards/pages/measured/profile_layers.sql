-- Modules of one measured point, in their order.
SELECT path, kind, layer, time_s, time_share, flops, moved_bytes, allocated_bytes, peak_bytes
FROM marts.profile_layers
WHERE run_id = $run_id AND point_id = $point_id
ORDER BY position
