"""Who a model is: names, sizes, licences and dates, by declared rules."""
