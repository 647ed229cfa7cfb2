"""`carbonflow demo`: the whole product with a simulated fleet, which proves itself at the end."""
