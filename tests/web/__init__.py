"""HTTP as clients see it: requests in, streams and answers out."""
