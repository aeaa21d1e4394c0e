"""JavaScript and TypeScript as a syntax tree, within limits: tree-sitter's grammar `tsx` reads both.

tree-sitter never refuses a text: what it cannot read becomes nodes of kind ERROR. Nothing here recurses, so depth is no matter.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forge_dagster.domain.tampering.files import MAX_SOURCE
from forge_dagster.domain.tampering.python_source import Unreadable

if TYPE_CHECKING:
    from tree_sitter import Node

CALLS = ("call_expression", "new_expression")
FUNCTIONS = ("function_declaration", "function_expression", "arrow_function", "method_definition", "generator_function")
MAX_NORMAL = 100_000
"""Bytes of a node that are made independent of their formatting."""
_LONGEST_CHAIN = 60
LITERALS = ("string", "number", "true", "false", "null", "undefined", "regex")


def parse(text: str, path: str) -> "Node":
    """The root of the tree. Raises Unreadable."""
    import tree_sitter_typescript
    from tree_sitter import Language, Parser

    if len(text) > MAX_SOURCE:
        raise Unreadable(f"it is longer than {MAX_SOURCE} characters")
    # casts such as <T>x are TypeScript without JSX
    grammar = tree_sitter_typescript.language_typescript if path.endswith((".ts", ".mts", ".cts")) else None
    language = Language((grammar or tree_sitter_typescript.language_tsx)())
    return Parser(language).parse(text.encode("utf-8", "replace")).root_node


def walk(node: "Node") -> Iterator["Node"]:
    """The node and all below, in the order of the text."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(current.children))


def text(node: "Node | None") -> str:
    """The source of a node."""
    return "" if node is None or node.text is None else node.text.decode("utf-8", "replace")


def shown(node: "Node | None", limit: int = 160) -> str:
    """The source of a node, in one line."""
    if node is None or node.text is None:
        return ""
    return " ".join(node.text[: limit * 8].decode("utf-8", "replace").split())[:limit]


def line(node: "Node") -> int:
    """The line it begins at, from 1."""
    return node.start_point[0] + 1


def normal(node: "Node | None") -> str:
    """The node's tokens as one text that no formatter changes: without comments, semicolons, last commas, kinds of quotes."""
    if node is None:
        return ""
    if node.end_byte - node.start_byte > MAX_NORMAL:
        return hashlib.sha256(node.text or b"").hexdigest()
    words: list[str] = []
    stack = [node]
    while stack:
        current = stack.pop()
        if current.type == "comment":
            continue
        if current.type == "string":
            words.append('"' + text(current)[1:-1] + '"')
        elif not current.children:
            word = text(current)
            if word in (")", "]", "}") and words and words[-1] == ",":
                words.pop()
            if word != ";":
                words.append(word)
        else:
            stack.extend(reversed(current.children))
    return " ".join(words)


def arguments(call: "Node") -> list["Node"]:
    """The arguments of a call, comments left out."""
    listed = call.child_by_field_name("arguments")
    if listed is None or listed.type != "arguments":
        return []
    return [child for child in listed.named_children if child.type != "comment"]


def callee(call: "Node") -> "Node | None":
    """What is called."""
    return call.child_by_field_name("function") or call.child_by_field_name("constructor")


def chain(node: "Node | None") -> list[str]:
    """`a.b.c` as its parts. A call in it is "()" before what follows; what is no name begins with "?"."""
    parts: list[str] = []
    while node is not None:
        if len(parts) > _LONGEST_CHAIN:
            parts.append("?")
            break
        if node.type == "member_expression":
            parts.append(text(node.child_by_field_name("property")))
            node = node.child_by_field_name("object")
        elif node.type == "subscript_expression":
            parts.append(string(node.child_by_field_name("index")) or "[]")
            node = node.child_by_field_name("object")
        elif node.type == "call_expression":
            parts.append("()")
            node = callee(node)
        elif node.type in ("parenthesized_expression", "non_null_expression", "as_expression", "await_expression"):
            node = next(iter(node.named_children), None)
        else:
            parts.append(text(node) if node.type in ("identifier", "this", "super", "meta_property", "import") else "?")
            break
    return parts[::-1]


def string(node: "Node | None") -> str:
    """The text of a string or of a template without holes; "" for anything else."""
    if node is None or node.type not in ("string", "template_string"):
        return ""
    return text(node)[1:-1]


def is_empty_function(node: "Node | None") -> bool:
    """Whether it is a function that does nothing: `() => {}`, `function () {}`, `() => undefined`."""
    if node is None or node.type not in FUNCTIONS:
        return False
    body = node.child_by_field_name("body")
    if body is None:
        return False
    if body.type != "statement_block":
        return body.type in ("undefined", "null") or text(body) in ("undefined", "null", "void 0")
    return not [child for child in body.named_children if child.type != "comment"]
