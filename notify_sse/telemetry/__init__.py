"""What the service says about itself: metrics, log records without secrets, and outages told once."""
