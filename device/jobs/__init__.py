"""The job engine. Knows neither XML nor HTTP."""
