"""What `localgrad train NAME` can train: one readable file each, named like the recipe."""
