"""What administrators see of calls: metrics, events, log lines."""
