"""What every HTTP handler shares: bodies, queries, answers, problems, CORS, the access log."""
