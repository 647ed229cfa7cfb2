-- What of an hour's uncertainty is the activity's and what the factor's: sums over hours and sources need them apart.
ALTER TABLE core.emission_hour
    ADD COLUMN activity_uncertainty_pct double precision,
    ADD COLUMN factor_uncertainty_pct double precision;
