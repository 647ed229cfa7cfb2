"""`carbonflow doctor`: looks at everything that this installation consists of, and changes nothing."""
