"""Control: the unchanged input. A method with lower scores makes images worse."""

from benchmark import Card, Method, Settings


class Identity(Method):
    """Returns the degraded image."""

    card = Card(
        title="Identity (the input)",
        citation="none: a control",
        licence="none needed",
        supervision="none",
        description="Returns the degraded image unchanged: the scores without any restoration.",
        control=True,
    )

    def restore(self, degraded, variant: Settings, generators):
        return degraded.clone()
