-- Every column of every published table: what it means and what type it has.
SELECT c.relation, c.column_name, c.meaning, c.unit, d.data_type
FROM meta.columns AS c
LEFT JOIN duckdb_columns() AS d
    ON d.schema_name || '.' || d.table_name = c.relation AND d.column_name = c.column_name
    AND d.database_name = current_database()
ORDER BY c.relation, c.position
