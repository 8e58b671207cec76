-- What the warehouse holds, table by table.
SELECT t.relation, t.meaning, d.estimated_size AS rows
FROM meta.tables AS t
LEFT JOIN duckdb_tables() AS d ON d.schema_name || '.' || d.table_name = t.relation
ORDER BY t.relation
