"""Networks that leave the house: files that run without this project, checked against the subnet's own logits."""
