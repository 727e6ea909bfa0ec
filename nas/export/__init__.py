"""Files that run without this project, checked against the subnet's own logits."""
