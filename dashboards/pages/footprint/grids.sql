-- Electricity of every country, by the table that states it.
SELECT country_code, coalesce(country, country_code) AS country, codecarbon_g_co2e_per_kwh AS codecarbon,
    ecologits_g_co2e_per_kwh AS ecologits, codecarbon_year
FROM core.grid_carbon_intensity ORDER BY country_code <> 'WLD', country
