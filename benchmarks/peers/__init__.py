"""AutoFI's search against other libraries on the same rows for the same CPU seconds."""
