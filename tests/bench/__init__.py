"""`notify-sse bench`, at its smallest: real processes, real streams."""
