"""The knowledge-action graph: a snapshot for walks, a store on disk, the write-back of attempts, and what it holds."""
