"""Texts in the graph: codes of values, numbers of texts, lists of tokens, as the encoder reads them."""

from __future__ import annotations

import numpy as np

from autofi.data.encoder import PADDING
from autofi.data.vocabulary import FIRST_VALUE, MISSING, OUT_OF_VOCABULARY, Vocabulary
from autofi.export.onnx_opset import Var, ml, op, rows_of
from autofi.values.arrow_values import LIST_SEPARATOR

_SPACE = r"[ \t\r\n]*"
_DIGITS = r"([0-9]+\.?[0-9]*|\.[0-9]+)"
_EXPONENT = r"[eE][+-]?[0-9]+"
_NUMBER = rf"{_SPACE}[+-]?{_DIGITS}({_EXPONENT})?{_SPACE}"
_ZERO = rf"{_SPACE}[+-]?[0.]+({_EXPONENT})?{_SPACE}"
# Texts that the runtime's parser, which refuses numbers beyond float64, surely reads.
_PLAIN = rf"{_SPACE}[+-]?[0-9]{{0,150}}\.?[0-9]{{0,150}}([eE][+-]?0*[0-9]{{1,2}})?{_SPACE}"
_SHORT = rf"{_SPACE}[+-]?[0-9]\.?[0-9]{{0,40}}[eE][+-]?0*([12]?[0-9]{{1,2}}|30[0-7]){_SPACE}"
_SMALL = rf"{_SPACE}[^eE]*[eE]-[0-9]+{_SPACE}"
_NEGATIVE = rf"{_SPACE}-.*"
_INFINITE = rf"{_SPACE}[+-]?(?i:inf|infinity){_SPACE}"


def codes_of(texts: Var, vocabulary: Vocabulary, limit: int) -> Var:
    """Return int64 codes of canonical texts (empty is missing); codes from `limit` on are out of vocabulary."""
    values = vocabulary.values[: max(0, limit - FIRST_VALUE)].to_pylist()
    codes = np.arange(FIRST_VALUE, FIRST_VALUE + len(values), dtype=np.int64)
    return ml.label_encoder(
        texts,
        keys_strings=["", *values],
        values_int64s=[MISSING, *codes.tolist()],
        default_int64=OUT_OF_VOCABULARY,
    )


def numbers_of(texts: Var) -> Var:
    """Return float64 numbers of texts as `autofi.values.arrow_values.as_numbers` reads them, NaN for other texts.

    Beyond 1e307 and below 1e-307, a text that is not in the shortest scientific form becomes infinite, or zero.
    """

    def like(pattern: str) -> Var:
        return op.regex_full_match(texts, pattern=pattern)

    number = like(_NUMBER)
    readable = op.and_(number, op.or_(like(_PLAIN), like(_SHORT)))
    read = op.cast(op.where(readable, texts, op.const("0")), to=np.float64)
    sign = op.where(like(_NEGATIVE), op.const(np.float64(-1)), op.const(np.float64(1)))
    far = op.where(op.or_(like(_ZERO), like(_SMALL)), op.const(np.float64(0)), op.const(np.float64(np.inf)))
    beyond = op.where(op.or_(number, like(_INFINITE)), op.mul(sign, far), op.const(np.float64(np.nan)))
    return op.where(readable, read, beyond)


def tokens_of(texts: Var, separator: str | None) -> Var:
    """Return tokens `[N, M]`, M ≥ 1, of lists padded with empty texts `[N, L]`; empty tokens are among them.

    With a separator, each text is also split at it.
    """
    rows = rows_of(texts)
    shape = op.concat([rows, op.const(np.array([-1], dtype=np.int64))], axis=0)
    if separator is not None:
        split, _ = op.string_split(texts, delimiter=separator)
        texts = split
        width = op.reduce_prod(op.slice(op.shape(split), op.const(np.array([1])), op.const(np.array([3]))))
        shape = op.concat([rows, op.reshape(width, op.const(np.array([1])))], axis=0)
    empty = op.expand(op.const(np.array([[""]])), op.concat([rows, op.const(np.array([1]))], axis=0))
    return op.concat(
        [op.reshape(texts, shape, allowzero=1) if separator is not None else texts, empty], axis=1
    )


def bag_of(tokens: Var, vocabulary: Vocabulary, width: int) -> Var:
    """Return the codes of the first `width` tokens that are not empty, int64 `[N, width]`.

    An empty list becomes one missing value.
    """
    codes = codes_of(tokens, vocabulary, vocabulary.cardinality)
    present = op.not_(op.equal(tokens, op.const("")))
    place = op.cumsum(op.cast(present, to=np.int64), op.const(np.int64(1)))
    # Tokens beyond `width` go to an additional column, which is cut off.
    kept = op.and_(present, op.less_or_equal(place, op.const(np.int64(width))))
    target = op.where(kept, op.sub(place, op.const(np.int64(1))), op.const(np.int64(width)))
    rows = rows_of(tokens)
    start = op.expand(
        op.const(np.array([[MISSING] + [PADDING] * width], dtype=np.int64)),
        op.concat([rows, op.const(np.array([1], dtype=np.int64))], axis=0),
    )
    # Empty texts write the code of a missing value, which stays where no token follows.
    filled = op.scatter_elements(start, target, codes, axis=1)
    return op.slice(filled, op.const(np.array([0])), op.const(np.array([width])), op.const(np.array([1])))


def joined(tokens: Var) -> Var:
    """Return the tokens of each row joined into one text, `[N, M] → [N]`, which is the value of the list.

    Neighbours are joined until one text is left, so every text is copied log M times; appending one by one
    would copy the first ones M times.
    """
    rows = rows_of(tokens)
    one, two = (op.const(np.array([number], dtype=np.int64)) for number in (1, 2))

    def halve(number: Var, going: Var, texts: Var) -> list[Var]:
        odd = op.mod(_width(texts), two)
        even = op.concat([texts, op.expand(op.const(""), op.concat([rows, odd], axis=0))], axis=1)
        end = op.const(np.array([np.iinfo(np.int64).max]))
        left, right = (op.slice(even, op.const(np.array([start])), end, one, two) for start in (0, 1))
        alone = op.or_(op.equal(left, op.const("")), op.equal(right, op.const("")))
        separator = op.where(alone, op.const(""), op.const(LIST_SEPARATOR))
        both = op.string_concat(op.string_concat(left, separator), right)
        return [op.greater(_width(both), one), both]

    (text,) = op.loop(_width(tokens), op.greater(_width(tokens), one), [tokens], body=halve)
    return op.reshape(text, rows)


def _width(matrix: Var) -> Var:
    """Return the number of columns, int64 `[1]`."""
    return op.gather(op.shape(matrix), op.const(np.array([1], dtype=np.int64)))
