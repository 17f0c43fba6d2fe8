"""Control: the input, unchanged. A method below this row does harm."""

from benchmark import Card, Method, Settings


class Identity(Method):
    """Returns the degraded image."""

    card = Card(
        title="Identity (the input)",
        citation="none: a control",
        licence="none needed",
        supervision="none",
        description="Returns the degraded image unchanged: the score of doing nothing.",
        control=True,
    )

    def restore(self, degraded, variant: Settings, generators):
        return degraded.clone()
