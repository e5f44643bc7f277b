SELECT epoch, position, floor FROM log_head WHERE one
