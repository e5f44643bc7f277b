"""What the service says about itself: records without secrets, outages told once."""
