"""The way in: shard patterns, tar members, image decoding; what can't be used is named, never raised."""
