"""How the weights that the project ships were made: from procedural pictures, with no human labels."""
