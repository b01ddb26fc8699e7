"""What makes the book's code safe and fast; no chapter imports it."""
