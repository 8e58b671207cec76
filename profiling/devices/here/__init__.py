"""The machine at hand: what its drivers and system files say of it, and which devices of the table that is."""
