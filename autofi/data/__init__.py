"""From a table to encoded rows: schema, split, vocabularies, crosses, target encodings."""
