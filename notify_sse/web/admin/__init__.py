"""For operators: `/admin/…`, with a token of the scope `notifications:admin` in the header. Each change is noted."""
