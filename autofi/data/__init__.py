"""Encoding of tables: schema, split, vocabularies, crosses, target encodings."""
