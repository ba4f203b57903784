"""Images of one cluster in, cameras and a shape out; a plain library without Ray or HTTP."""
