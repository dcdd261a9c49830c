"""The engine's shell: worker processes, their sockets, and who coordinates them."""
