-- Scores of one snapshot, and standard deviations above the mean of the board, of the size band, of the quarter.
SELECT entry_id, measure, score, z_in_board, z_in_size_band, z_in_quarter
FROM marts.z_scores
WHERE snapshot_id = $snapshot_id
