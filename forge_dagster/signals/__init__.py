"""Where the judge gets its numbers."""
