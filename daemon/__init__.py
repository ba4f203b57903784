"""What a person touches: command line, configuration, control loop, HTTP API, web page."""
