"""The published contracts, OpenAPI and AsyncAPI, generated from the code."""
