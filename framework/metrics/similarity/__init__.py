"""How alike two arrays are: one measure a file, each with what unrelated arrays give (`null.py`).

    cka(x, y).value     of two arrays (N, …), numpy or torch, with rows of the same samples
    similarities(x, y)  every measure, as a table (`table.py`)

`framework.metrics` offers the functions by name; here each module bears the name of its own. Nothing is imported:
a model that is compared by its CKA while it trains does not depend on the code of the other measures.
"""
