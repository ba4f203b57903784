"""Kills at named steps and at random moments over one stream, each judged by the independent checker."""
