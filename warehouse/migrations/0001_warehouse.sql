-- Schemas of a published warehouse, and where its tables' meanings are written down.
CREATE SCHEMA IF NOT EXISTS core;
CREATE SCHEMA IF NOT EXISTS marts;
CREATE TABLE meta.tables (relation VARCHAR PRIMARY KEY, meaning VARCHAR, key VARCHAR[], capability VARCHAR);
CREATE TABLE meta.columns (
    relation VARCHAR, position INTEGER, column_name VARCHAR, meaning VARCHAR, unit VARCHAR, required BOOLEAN,
    PRIMARY KEY (relation, column_name)
);
COMMENT ON TABLE meta.tables IS 'One row per published table';
COMMENT ON TABLE meta.columns IS 'One row per column of a published table';
COMMENT ON TABLE meta.migrations IS 'Migrations that built this database';
