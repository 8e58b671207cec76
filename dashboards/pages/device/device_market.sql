SELECT price_kind, is_hyperscaler, usd_per_device_hour, usd_low_per_device_hour, usd_high_per_device_hour, providers,
    offers, newest_date, oldest_date, is_usual, basis, sources
FROM marts.accelerator_market_prices
WHERE accelerator = $accelerator
ORDER BY is_usual DESC, price_kind, is_hyperscaler
