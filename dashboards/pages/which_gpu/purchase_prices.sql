-- What one device of each kind costs to buy: the newest listing of single ones, of several the cheapest; where there is
-- none the share of a whole server, or the price at launch.
SELECT accelerator, usd_before_tax / devices AS usd_per_device, condition, as_of_date
FROM core.hardware_purchase_prices
WHERE usd_before_tax IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY accelerator
    ORDER BY condition LIKE 'list price%', devices > 1, as_of_date DESC NULLS LAST, usd_before_tax / devices
) = 1
ORDER BY accelerator
