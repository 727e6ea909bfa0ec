"""From genotypes to accuracy."""
