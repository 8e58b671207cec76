-- The dictionary describes itself too, so that no column of a published warehouse is without its meaning.
COMMENT ON COLUMN meta.tables.relation IS 'Table or view, schema.name';
COMMENT ON COLUMN meta.tables.meaning IS 'What one row is, and what the table is for';
COMMENT ON COLUMN meta.tables.key IS 'Columns whose values name a row';
COMMENT ON COLUMN meta.tables.capability IS 'Part of the pipeline that makes it';
COMMENT ON COLUMN meta.columns.relation IS 'Table or view, schema.name';
COMMENT ON COLUMN meta.columns.position IS 'Place within the table, from 1';
COMMENT ON COLUMN meta.columns.column_name IS 'Name, with the unit at its end where it has one';
COMMENT ON COLUMN meta.columns.meaning IS 'What a value is';
COMMENT ON COLUMN meta.columns.unit IS 'Unit as printed; null where there is none';
COMMENT ON COLUMN meta.columns.required IS 'Whether every row has a value';
COMMENT ON COLUMN meta.migrations.name IS 'File of warehouse/migrations';
COMMENT ON COLUMN meta.migrations.sha256 IS 'Digest of the file as it was run';
COMMENT ON COLUMN meta.migrations.applied_at IS 'Moment it was run';
