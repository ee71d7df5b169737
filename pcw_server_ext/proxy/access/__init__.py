"""Who may call an endpoint, and as whom Spark sees them."""
