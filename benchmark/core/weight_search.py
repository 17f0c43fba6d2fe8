"""Finds the weights of a network in a checkpoint, whatever the training script put around them.

Training scripts nest the weights in dicts (`params_ema`, `state_dict`), put names of wrappers
before theirs (`module.`, `net_g.`) and store other things beside them. So the names of all tensors
are written as paths, `params_ema.module.conv.weight`, and a *part* is everything below a path. The
weights are the part that has the network's names and shapes, all of them and no others.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.core.errors import UserError

Tensors = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]
# Module of a network -> the same weights in the authors' files, joined along the outputs.
AuthorsNames = Mapping[str, tuple[str, ...]]

AVERAGED = re.compile(r"(^|[-_])ema($|[-_])")  # a part with moving averages: authors test with it
# Counters that the profiler thop leaves in a network.
NOT_WEIGHTS = ("total_ops", "total_params")
MODULE_STATE = ("_parameters", "_buffers", "_modules")  # of a torch.nn.Module that was saved whole
# Words around a network that is not known; `ema` in any form counts too.
WRAPPERS = frozenset({
    "module", "model", "net", "network", "generator", "g", "netg", "net_g", "_orig_mod", "backbone",
    "restorer", "params", "weights", "state_dict", "model_state_dict",
})  # fmt: skip
SHOWN = 8  # names in a message


@dataclass(frozen=True)
class Found:
    """Weights of a network, float32, under its own names.

    part: where they were in the file. authors_names: whether they had the authors' names there.
    """

    state: Tensors
    part: str
    authors_names: bool


def named_tensors(content: Any) -> Tensors:
    """Every tensor in nested dicts and objects, by its path: the keys, joined by dots."""
    return dict(_walk(content, ()))


def _walk(content: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        if path and path[-1] not in NOT_WEIGHTS:
            yield ".".join(path), content
        return
    inner = dict(content) if isinstance(content, Mapping) else {}
    if isinstance(content, OrderedDict):  # it may stand for an object (see `stand_ins`)
        inner |= vars(content)
    for key, value in inner.items():
        yield from _walk(value, path if key in MODULE_STATE else (*path, str(key)))


def below(tensors: Tensors, part: str) -> Tensors:
    """The tensors below a path, by the rest of their names; "" is the whole."""
    start = f"{part}." if part else ""
    return {name[len(start) :]: x for name, x in tensors.items() if name.startswith(start)}


def chosen(tensors: Tensors, key: str, prefix: str, where: str) -> Tensors:
    """The part that a user names. UserError, with the parts that there are, if it has no tensor."""
    part = ".".join(filter(None, (key.strip("."), prefix.strip("."))))
    found = below(tensors, part)
    if not found:
        there = dict.fromkeys(name.split(".")[0] for name in tensors)
        raise UserError(f"{where} has no tensor below '{part}'. It has {_listed(list(there))}.")
    return found


def fitting(
    tensors: Tensors, network: nn.Module, names: AuthorsNames, where: str, title: str
) -> Found:
    """The weights of `network` in a file.

    The file may have the network's own names or the authors'. Of several parts that fit, one with
    moving averages comes first, then the one with the shortest path. `where` and `title` name the
    file and the method. Raises UserError with the names found and those expected if none fits.
    """
    own = _shapes(network.state_dict())
    authors = _authors_shapes(own, names)
    parts = {part: _shapes(below(tensors, part)) for part in _parts(tensors)}
    for part, found in parts.items():
        if found in (own, authors):
            state = below(tensors, part)
            state = state if found == own else _joined(state, own, names)
            owned = {name: _owned(value) for name, value in state.items()}
            return Found(owned, part, found != own)
    nearest = max(parts, key=lambda part: _likeness(parts[part], authors))
    raise UserError(
        f"{where} does not fit {title} with these parameters. "
        f"{_difference(nearest, parts[nearest], authors)}"
    )


def candidates(tensors: Tensors) -> Iterator[Tensors]:
    """Parts that may be a whole network, if it is not known which: those below wrappers' names, and
    those that all tensors share."""
    for part in _parts(tensors):
        words = part.split(".") if part else []
        inside = below(tensors, part)
        if len(inside) == len(tensors) or all(map(_is_wrapper, words)):
            yield inside


def summary(tensors: Tensors) -> str:
    """The first names of tensors with their shapes, and how many there are."""
    return _listed([f"{name} {_size(x.shape)}" for name, x in tensors.items()])


def _parts(tensors: Tensors) -> list[str]:
    """Every path that goes on to a tensor: averages first, then the shortest."""
    found = {""}
    for name in tensors:
        while "." in name:
            name = name.rpartition(".")[0]
            found.add(name)

    def order(part: str) -> tuple[bool, int]:
        words = part.lower().split(".")
        return not any(map(AVERAGED.search, words)), len(words) if part else 0

    return sorted(sorted(found), key=order)


def _is_wrapper(word: str) -> bool:
    return word.lower() in WRAPPERS or AVERAGED.search(word.lower()) is not None


def _shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(x.shape) for name, x in tensors.items()}


def _sources(name: str, names: AuthorsNames) -> tuple[str, ...]:
    """The authors' names of one of our tensors."""
    module, _, leaf = name.rpartition(".")
    return tuple(f"{source}.{leaf}" for source in names.get(module, (module,)))


def _authors_shapes(own: Shapes, names: AuthorsNames) -> Shapes:
    shapes = {}
    for name, shape in own.items():
        sources = _sources(name, names)
        parts = (shape[0] // len(sources), *shape[1:]) if len(sources) > 1 else shape
        shapes |= dict.fromkeys(sources, parts)
    return shapes


def _joined(state: Tensors, own: Shapes, names: AuthorsNames) -> Tensors:
    joined = {}
    for name in own:
        parts = [state[source] for source in _sources(name, names)]
        joined[name] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return joined


def _owned(value: Tensor) -> Tensor:
    """A copy, because a checkpoint's tensors share the memory of its file."""
    dtype = torch.float32 if value.is_floating_point() else value.dtype
    return value.detach().to(dtype, copy=True).contiguous()


def _likeness(found: Shapes, wanted: Shapes) -> tuple[int, int]:
    return len(found.keys() & wanted.keys()), -len(found)


def _difference(part: str, found: Shapes, wanted: Shapes) -> str:
    shapes = [
        f"{name} is {_size(found[name])}, not {_size(wanted[name])}"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    place = f" below '{part}'" if part else ""
    lines = {
        f"It has{place}": [f"{n} {_size(s)}" for n, s in found.items()],
        "Expected": [f"{n} {_size(x)}" for n, x in wanted.items()],
        "Lacking": [name for name in wanted if name not in found],
        "Unknown": [name for name in found if name not in wanted],
        "Of another shape": shapes,
    }
    return " ".join(f"{title}: {_listed(names)}." for title, names in lines.items() if names)


def _listed(names: list[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "number"
