"""The simulated sites, each put together from processes."""
