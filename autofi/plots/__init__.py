"""Figures of a study as Plotly objects: small enough for a database, without colours of a page of their own."""
