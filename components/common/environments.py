"""From the name of a Gymnasium environment to one that is open, its observations as numbers, and how to act in it.

Training and judging open environments here, so that a policy meets in the one what it saw in the other.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete, Space

from common.entry import Refusal

RANKS = (1, 3)
"""Observations that networks take as they are: a vector, a picture (height × width × channels)."""


class Source(NamedTuple):
    """Which environment: what `environment`, `module` and `environment_config` of a step say."""

    name: str
    module: str | None = None  # a folder with the user's own Python, which is run
    config: Mapping[str, Any] = {}


class Actions(NamedTuple):
    """What a policy may do. `discrete`: one of `choices`, numbered from `start`; `box`: numbers within bounds."""

    kind: str
    choices: int = 0
    start: int = 0
    shape: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """Numbers that a policy's network gives: a score an action, or the action itself."""
        return self.choices if self.kind == "discrete" else int(np.prod(self.shape))


def source(name: str, module: Path | None, config: Any) -> Source:
    """Words of a command line, checked. Raises Refusal for a configuration that is no map, a module that is none."""
    if config is not None and not isinstance(config, dict):
        raise Refusal("environment_config is no map of the environment's arguments")
    if module is not None and not module.is_dir():
        raise Refusal(f"module {module} is not a folder")
    return Source(name, None if module is None else str(module.resolve()), config or {})


def opened(source: Source, render: bool = False) -> gymnasium.Env[Any, Any]:
    """The environment, its observations flattened to a vector where they are neither a vector nor a picture, as floats.

    `module:Name` imports the module, from the user's folder if there is one, and takes what is called so in it, a class
    or a function, else the environment that it registers under that name. Raises Refusal for what cannot be opened.
    """
    config = {**source.config, **({"render_mode": "rgb_array"} if render else {})}
    if source.module is not None and source.module not in sys.path:
        sys.path.insert(0, source.module)
    try:
        made = _maker(source.name)(**config)
    except Refusal:
        raise
    except Exception as error:  # whatever the user's code raises
        raise Refusal(f"environment {source.name!r} cannot be made: {type(error).__name__}: {error}") from None
    if not isinstance(made, gymnasium.Env):
        raise Refusal(f"environment {source.name!r} is a {type(made).__name__}, a gymnasium.Env is expected")
    return _numeric(made, source.name)


def _numeric(made: gymnasium.Env[Any, Any], name: str) -> gymnasium.Env[Any, Any]:
    """The environment with 32-bit floats of a vector or a picture for observations, as networks take them."""
    space = made.observation_space
    if not isinstance(space, Box) or len(space.shape) not in RANKS:
        try:
            flat = gymnasium.spaces.flatten_space(space)
        except NotImplementedError:
            flat = space
        if not isinstance(flat, Box):
            raise Refusal(f"observations of {name!r} are {space}, which have no fixed number of numbers")
        made = gymnasium.wrappers.FlattenObservation(made)
    if made.observation_space.dtype != np.float32:
        made = gymnasium.wrappers.DtypeObservation(made, np.float32)
    return made


def _maker(name: str) -> Callable[..., Any]:
    module, _, inside = name.rpartition(":")
    if module:
        try:
            found = getattr(importlib.import_module(module), inside, None)
        except ImportError as error:
            raise Refusal(f"environment {name!r}: {error}; is its folder given as `module`?") from None
        if callable(found):
            return found
    return lambda **config: gymnasium.make(inside, **config)


def actions(space: Space[Any]) -> Actions:
    """What may be done in an action space. Raises Refusal for one that is neither discrete nor a box of numbers."""
    if isinstance(space, Discrete):
        return Actions("discrete", int(space.n), int(space.start))
    if isinstance(space, Box) and np.issubdtype(space.dtype, np.floating):
        low, high = (tuple(float(x) for x in np.ravel(side)) for side in (space.low, space.high))
        return Actions("box", shape=tuple(space.shape), low=low, high=high)
    raise Refusal(f"actions are {space}; a discrete action or a box of numbers is expected")


def acted(actions: Actions, given: Any) -> Any:
    """What a policy's output `action` for one observation is to the environment."""
    if actions.kind == "discrete":
        return int(given)
    return np.asarray(given, dtype=np.float32).reshape(actions.shape)
