"""What other programs read: conversions of cameras, images and meshes, one format a module."""
