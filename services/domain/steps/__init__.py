"""What a formula computes on its way to the activity: each intermediate value, by name, unit and source."""
