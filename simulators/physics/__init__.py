"""Properties of matter and published factors, the simulators' own: they share none with the services."""
