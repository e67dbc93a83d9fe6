"""Commands of `bert-ja`, one file each."""
