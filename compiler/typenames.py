"""From a type's text in a component's interface to the type; each text is parsed once in a process."""

from mlp_lang.compiler.types import NONE, PORTS, SCALARS, Like, Scalar, Type, TypeProblem, resolve, union

_KNOWN: dict[str, Type] = {**PORTS, **{name: Scalar(name) for name in SCALARS}}


def type_of(text: str) -> Type:
    """The type that ``text`` spells. Raises BadInterface if it is none."""
    known = _KNOWN.get(text)
    if known is not None:
        return known
    if text.endswith(" | none"):  # a word that the language reserves
        known = union((type_of(text[:-7]), NONE))
    elif text.startswith("like ") and text[5:].isidentifier():
        known = Like(text[5:])
    else:
        from mlp_lang.compiler.interface import BadInterface
        from mlp_lang.dsl.parser import parse_type

        try:
            known = resolve(parse_type(text))
        except (ValueError, TypeProblem) as error:
            raise BadInterface(f"`{text}` is no type: {error}") from None
    _KNOWN[text] = known
    return known
