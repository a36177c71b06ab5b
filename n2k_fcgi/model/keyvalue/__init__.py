"""The key-value service: values, and the rules of each operation. No I/O; an engine applies operations in its transaction."""
