"""Files that are decoded a few rows at a time: a page takes the same memory at any size."""
