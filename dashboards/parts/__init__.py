"""What pages share: state, controls, tables, cards and formats."""
