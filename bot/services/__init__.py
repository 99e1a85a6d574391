"""What the product does, free of Discord and of torch."""
