"""Japanese text: normalization, segmentation, pieces."""
