"""What makes the book's code safe and fast. No chapter imports it."""
