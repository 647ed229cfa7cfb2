"""Setting Carbonflow up and running it: local servers, containers, dashboards."""
