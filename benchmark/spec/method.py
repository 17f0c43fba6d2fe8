"""The base classes of methods: card, parameters, how to restore and, if it learns, its loss."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator

from benchmark.core.errors import nearest

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Supervision = Literal["none", "clean-only", "paired"]
ALL_WEATHERS = ("rain", "haze", "raindrop", "snow", "mix")
CLEAR = "clear"  # photographs without weather; a method should leave them unchanged


class Settings(BaseModel):
    """A group of named settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, values, info: ValidationInfo):
        """Pydantic refuses an unknown key; this adds the nearest known key to each message."""
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        known = [*fields, *(info.context or {}).get(cls, ())]  # see `validation.parse`
        unknown = [f"unknown key '{k}'.{nearest(str(k), known)}" for k in values if k not in fields]
        if unknown:
            faults = [{"type": "value_error", "ctx": {"error": ValueError(t)}} for t in unknown]
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return values


class Card(Settings):
    """Who made a method and what it needs; shown on the leaderboard and in the report.

    `control` marks reference rows (the input, the ground truth), which are not ranked. `weathers`:
    the weathers that the method was made for; on others its status is `skipped`.
    """

    title: str
    citation: str
    url: str = ""
    licence: str
    supervision: Supervision
    description: str
    weathers: tuple[str, ...] = ALL_WEATHERS
    control: bool = False


class Method:
    """A method of removing weather. To add one, subclass this once in `methods/NAME.py`.

    Images are float32 tensors `(B, 3, H, W)` in [0, 1], of any H, W >= 1.
    A *variant* is a choice of settings for restoring (sampler, steps), which needs no training.
    """

    card: ClassVar[Card]
    Parameters: ClassVar[type[Settings]] = Settings
    Variant: ClassVar[type[Settings]] = Settings
    sees_target: ClassVar[bool] = False  # only the oracle is given the ground truth
    network: "nn.Module | None" = None  # its parameters are counted on the leaderboard

    def __init__(self, parameters: Settings | None = None):
        self.parameters = parameters or self.Parameters()
        self.device: torch.device | str = "cpu"

    def restore(
        self, degraded: "Tensor", variant: Settings, generators: "list[torch.Generator]"
    ) -> "Tensor":
        """Restore a batch.

        degraded: float32 (B, 3, H, W) in [0, 1] on `self.device`. variant: an instance of
        `self.Variant`. generators: one CPU generator per image; no other randomness is allowed, so
        that an image's result does not depend on its batch. Returns float32 (B, 3, H, W) in [0, 1];
        the suite clips what overshoots, and refuses 8-bit levels, integers and other shapes.
        """
        raise NotImplementedError  # a subclass without it is refused when it is loaded

    @classmethod
    def has_teacher(cls) -> bool:
        """Whether the method may learn from another entry (implements `learn_from`)."""
        return False

    @classmethod
    def needs_teacher(cls, parameters: Settings) -> bool:
        """Whether it learns from another entry with these parameters."""
        return False

    @classmethod
    def variant_warnings(cls, parameters: Settings, variant: Settings) -> list[str]:
        """Why a variant may restore badly with these parameters: `check` warns of it."""
        return []

    def evaluations(self, variant: Settings) -> int:
        """Network evaluations per image (NFE); 0 for a method without a network."""
        return 0

    def facts(self) -> dict[str, float | str]:
        """Numbers and texts about the method to show in the report, by name."""
        return {}


class LearnedMethod(Method):
    """A method with a network that the suite trains: defines the network and the loss."""

    # The FLOPs of a training step are counted on so many pairs, and are proportional to them. More
    # than one for a loss that does with some pairs what it does not do with others.
    pairs_counted: ClassVar[int] = 1

    def __init__(self, parameters: Settings | None = None):
        super().__init__(parameters)
        self.network: nn.Module = self.build()

    def build(self) -> "nn.Module":
        """The untrained network. The suite seeds torch before it calls this."""
        raise NotImplementedError  # a subclass without it is refused when it is loaded

    def authors_names(self) -> dict[str, tuple[str, ...]]:
        """What the network's modules are called in the authors' weight files: own name -> theirs.

        Weights of several modules of theirs are joined along the outputs. Modules that are not here
        have the same name in both. Empty if no file of the authors can be used.
        """
        return {}

    def from_authors(self, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
        """Weights of the authors' files, under our names, for a network that counts otherwise than
        theirs (in other units, or with another sign)."""
        return state

    def learn_from(self, teacher: "LearnedMethod") -> None:
        """Take what is needed from the trained teacher, the entry that the configuration names."""
        raise NotImplementedError  # only methods that learn from another one implement it

    @classmethod
    def has_teacher(cls) -> bool:
        """Whether the method may learn from another entry (implements `learn_from`)."""
        return cls.learn_from is not LearnedMethod.learn_from

    @classmethod
    def needs_teacher(cls, parameters: Settings) -> bool:
        """Whether it learns from another entry with these parameters; without one it then fails."""
        return cls.has_teacher()

    def loss(self, clean: "Tensor", degraded: "Tensor", generator: "torch.Generator") -> "Tensor":
        """The scalar to minimise for a batch of pairs, both float32 (B, 3, H, W) in [0, 1].

        generator: the only source of randomness that the loss may use. It is on the device of the
        images, so new tensors are made as in torch.randn(..., generator=generator,
        device=generator.device).
        """
        raise NotImplementedError  # a subclass without it is refused when it is loaded

    def evaluations(self, variant: Settings) -> int:
        return 1
