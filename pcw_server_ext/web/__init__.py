"""What all parts that answer HTTP share: handlers, media types, encodings, isolation, page configuration."""
