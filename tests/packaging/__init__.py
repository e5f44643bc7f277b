"""What is shipped and how it is built: the wheel, compose.yaml, the Makefile, the coverage."""
