SELECT item, condition, price_low, price_typical, price_high, currency, tax, usd_before_tax, devices, region, evidence,
    as_of_date, source
FROM core.hardware_purchase_prices
WHERE accelerator = $accelerator
ORDER BY as_of_date DESC, usd_before_tax
