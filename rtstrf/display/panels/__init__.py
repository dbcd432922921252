"""The panels of the window, one a file; `base` has what they share, `ring_image` draws the scrolling images."""
