SELECT * FROM core.accelerators WHERE accelerator = $accelerator
