"""Makes valid files wrong: bytes, nodes of YAML and JSON trees, cells of tables."""

import copy
import csv
import io
from random import Random
from typing import Any

ODD = (
    None, "", " ", "x" * 3000, 0, -1, 7, 10**400, 1e308, -0.5, float("nan"), float("inf"), True,
    [], {}, [[]], [None], {"a": 1}, {"": {}}, "..", "../..", "/", "/etc/passwd", "a/b", "~", "\0",
    "\n", "é", "日本", "\ud800", "$(touch x)", "'; x", "{photo}", "{", "}", "{0}", "{a.b}", "[",
    "**", "*", "***", "?", "=1+1", "<b>", "nan", "NaN", "1e400", "-", "0x10", "rain", "photos",
)  # fmt: skip
TEXTS = (
    "",
    "-",
    "[",
    "{",
    "}",
    ":",
    "\t",
    "\0",
    "&a",
    "*a",
    "!!python/object:os.system",
    "? ",
    '"',
)


def of_bytes(data: bytes, random: Random) -> bytes:
    """One to three changes: cut, flip, insert, remove, repeat, zero, all ones, header."""
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(data))
        length = random.choice((1, 2, 4, 16, 256))
        kind = random.choice(["cut", "flip", "insert", "remove", "repeat", "zero", "ones", "head"])
        if kind == "cut":
            data = data[:at]
        elif kind == "flip" and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << random.randint(0, 7))]) + data[at + 1 :]
        elif kind == "insert":
            data = data[:at] + random.randbytes(length) + data[at:]
        elif kind == "remove":
            data = data[:at] + data[at + length :]
        elif kind == "repeat":
            data = data[: at + length] + data[at:]
        elif kind in ("zero", "ones"):
            fill = b"\0" if kind == "zero" else b"\xff"
            data = data[:at] + fill * len(data[at : at + length]) + data[at + length :]
        else:  # the header, which has sizes and types
            at = random.randint(0, min(64, len(data)))
            data = data[:at] + random.randbytes(random.randint(1, 4)) + data[at + 4 :]
    return data


def of_text(text: str, random: Random) -> str:
    """A syntax character inserted, or a part removed, repeated or nested deeply."""
    at, length = random.randint(0, len(text)), random.choice((1, 5, 40))
    kind = random.choice(("put", "remove", "repeat", "nest"))
    if kind == "put":
        return text[:at] + random.choice(TEXTS) + text[at:]
    if kind == "remove":
        return text[:at] + text[at + length :]
    if kind == "nest":
        return text[:at] + random.choice("[{") * random.choice((3, 3000)) + text[at:]
    return text[: at + length] + text[at:]


def of_tree(tree: Any, random: Random) -> Any:
    """One to three nodes replaced by an odd value, removed, renamed, wrapped or swapped."""
    tree = copy.deepcopy(tree)
    for _ in range(random.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            return random.choice(ODD)
        holder, key = random.choice(places)
        kind = random.choice(("odd", "odd", "odd", "remove", "rename", "wrap", "swap"))
        if kind == "odd":
            holder[key] = copy.deepcopy(random.choice(ODD))
        elif kind == "remove":
            del holder[key]
        elif kind == "rename" and isinstance(holder, dict):
            holder[random.choice((None, 3, "", "x", "../x", "é", "a b"))] = holder.pop(key)
        elif kind == "wrap":
            holder[key] = random.choice(([holder[key]], {"x": holder[key]}))
        else:
            other, place = random.choice(places)
            if place in other if isinstance(other, dict) else place < len(other):
                holder[key] = copy.deepcopy(other[place])
    return tree


def _places(tree: Any):
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs):
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def of_table(text: str, random: Random) -> str:
    """One to three changes of cells, rows or columns of a CSV file, or one of its text."""
    if random.random() < 0.2:
        return of_text(text, random)
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    for _ in range(random.randint(1, 3)):
        row = random.choice(rows)
        kind = random.choice(("cell", "cell", "cell", "row", "twice", "column", "short", "header"))
        if kind == "cell" and row:
            row[random.randrange(len(row))] = str(random.choice(ODD))
        elif kind == "row" and len(rows) > 1:
            rows.remove(row)
        elif kind == "twice":
            rows.append([*row])
        elif kind == "column" and rows[0]:
            at = random.randrange(len(rows[0]))
            rows = [r[:at] + r[at + 1 :] for r in rows]
        elif kind == "short":
            del row[random.randint(0, len(row)) :]
        elif kind == "header":
            rows = rows[:1]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
