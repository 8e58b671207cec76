-- Whether the average bends over log2 of the parameters, and how often a knee is found.
SELECT * FROM marts.scaling_shape WHERE snapshot_id = $snapshot_id AND size_basis = $size_basis
