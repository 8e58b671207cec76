-- Schemas of a published warehouse, and where its tables' meanings are written down.
CREATE SCHEMA IF NOT EXISTS meta;
CREATE SCHEMA IF NOT EXISTS core;
CREATE SCHEMA IF NOT EXISTS marts;
CREATE TABLE meta.tables (relation VARCHAR PRIMARY KEY, meaning VARCHAR, key VARCHAR[], capability VARCHAR);
CREATE TABLE meta.columns (
    relation VARCHAR, position INTEGER, column_name VARCHAR, meaning VARCHAR, unit VARCHAR, required BOOLEAN,
    PRIMARY KEY (relation, column_name)
);
CREATE TABLE meta.loaded (relation VARCHAR, part VARCHAR, digest VARCHAR);
COMMENT ON TABLE meta.loaded IS 'What each table of this release was loaded from, so that the next need not load it again';
COMMENT ON COLUMN meta.loaded.relation IS 'Table, schema.name';
COMMENT ON COLUMN meta.loaded.part IS 'Snapshot whose rows have a Parquet file of their own, empty for those of all others; null for the whole table';
COMMENT ON COLUMN meta.loaded.digest IS 'Of the contracts, and SHA-256 of the Parquet that the table was loaded from';
COMMENT ON TABLE meta.tables IS 'One row per published table';
COMMENT ON TABLE meta.columns IS 'One row per column of a published table';
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
