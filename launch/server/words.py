"""Values as pages write them. Knows nothing of runs."""


def short(value: object) -> str:
    """A value as a table shows it: numbers to five digits, other things as JSON would name them."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)
