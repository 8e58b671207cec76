SELECT snapshot_id, uri, licence, as_of_date FROM meta.snapshots ORDER BY as_of_date DESC, snapshot_id
