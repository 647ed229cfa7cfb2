"""Publishing real readings from a file, the way a device would have."""
