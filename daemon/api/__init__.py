"""The HTTP API: the library's verbs over HTTP, with one schema and one error shape."""
