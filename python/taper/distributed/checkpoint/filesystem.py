"""Readers and writers of folders, under PyTorch's name."""

from .storage import FileSystemReader, FileSystemWriter

__all__ = ["FileSystemReader", "FileSystemWriter"]
