"""Procedural objects photographed at random: a small labelled stand-in for a web crawl."""
