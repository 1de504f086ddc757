"""What the scripts of the pages ask for: JSON and events, looked up for one reader. Knows no HTML."""
