"""What a JavaScript test demands: `expect`, `assert` and their kin, and how much each of them asks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from forge_dagster.domain.tampering.script_source import LITERALS, arguments, callee, chain, line, normal, shown, text
from forge_dagster.domain.tampering.suites import Check, Strength

if TYPE_CHECKING:
    from tree_sitter import Node

_EXPECTS = frozenset({"expect", "expectTypeOf", "expectType", "assertType"})
_ASSERTS = frozenset({"assert", "t", "tap", "st", "chai", "sinon", "test", "qunit", "QUnit", "should"})
_EXACT = frozenset(
    (
        "toBe", "toEqual", "toStrictEqual", "toHaveBeenCalledWith", "toHaveBeenCalledTimes",
        "toHaveBeenCalledExactlyOnceWith", "toBeNull", "toBeUndefined", "toBeNaN", "toBeFalse", "toBeTrue",
        "toMatchInlineSnapshot", "toMatchSnapshot", "toThrowError", "equal", "equals", "eq", "eql", "eqls", "is", "same",
        "strictSame", "strictEqual", "strictEquals", "deepEqual", "deepStrictEqual", "snapshot", "true", "false", "null",
        "undefined", "isTrue", "isFalse", "isNull", "isUndefined", "deepEquals", "equalTypeOf", "toEqualTypeOf", "calledWith",
        "calledOnceWithExactly", "notCalled", "members", "lengthOf", "toHaveLength",
    )
)  # fmt: skip
_NEARLY = frozenset({"toBeCloseTo", "closeTo", "approximately", "toThrow", "throws", "throwsAsync", "rejects"})
_KIND = frozenset(
    {"toBeInstanceOf", "instanceOf", "instanceof", "a", "an", "typeOf", "toBeTypeOf", "toHaveProperty", "property"}
)
_EXISTENCE = frozenset(
    (
        "toBeDefined", "toBeTruthy", "toBeFalsy", "ok", "notOk", "truthy", "falsy", "assert", "exist", "exists", "isOk",
        "isDefined", "toHaveBeenCalled", "toBeAny", "toReturn", "empty", "called", "doesNotThrow", "notThrows", "notEqual",
        "not", "notDeepEqual", "notStrictEqual", "notSame", "isNotNull", "toMatchTypeOf", "extensible",
    )
)  # fmt: skip
_PART = frozenset(
    (
        "toContain", "toContainEqual", "toMatch", "toMatchObject", "toBeGreaterThan", "toBeGreaterThanOrEqual",
        "toBeLessThan", "toBeLessThanOrEqual", "like", "match", "matches", "regex", "include", "includes", "contain",
        "contains", "above", "below", "least", "most", "within", "keys", "satisfies", "satisfy", "error", "ifError",
        "notMatch", "isAbove", "isBelow", "doesNotMatch", "hasSubset", "startsWith", "endsWith", "fail", "pass", "resolves",
        "throw", "calledOnce", "calledTwice", "callCount", "deepLooseEqual", "looseEqual", "isArray", "isString", "isObject",
        "isFunction", "plan", "toSatisfy", "toHaveBeenCalledOnce", "toHaveBeenNthCalledWith", "toHaveBeenLastCalledWith",
        "toResolve", "toReject", "toHaveReturnedWith", "assertions", "hasAssertions", "unreachable",
    )
)  # fmt: skip
_KNOWN = _EXACT | _NEARLY | _KIND | _EXISTENCE | _PART
_BOUNDS = {"toBeLessThan": 1, "toBeLessThanOrEqual": 1, "below": 1, "most": 1, "isBelow": 1}
_FLOORS = {"toBeGreaterThan": -1, "toBeGreaterThanOrEqual": -1, "above": -1, "least": -1, "isAbove": -1}
_RESPONSE = "response"
_VAGUE = {"expect.anything": Strength.KIND, "expect.any": Strength.PART, "expect.objectContaining": Strength.PART}


def checks_in(body: "Node") -> tuple[Check, ...]:
    """The checks of a test's body, without those that a bare `return` keeps from running."""
    found: list[Check] = []
    stack = list(_reached(body))[::-1]
    while stack:
        node = stack.pop()
        check = _of_call(node) if node.type == "call_expression" else None
        if check is not None:
            found.append(check)
        if check is None or check.subject == _RESPONSE:
            stack.extend(reversed(node.children))
    return tuple(found)


def _reached(body: "Node") -> Iterator["Node"]:
    if body.type != "statement_block":
        yield body
        return
    for statement in body.named_children:
        yield statement
        if statement.type == "return_statement":
            return


def _of_call(call: "Node") -> Check | None:
    parts = chain(callee(call))
    if not parts:
        return None
    if len(parts) == 1 and parts[0] in _EXPECTS:
        return _expectation(call)
    if parts == ["assert"]:
        return _assertion(call, "assert")
    if parts[0] in _ASSERTS and parts[-1] in _KNOWN and parts != ["t", "test"] and "()" not in parts:
        return _assertion(call, parts[-1])
    if parts[-1] == "expect" and len(parts) > 1:  # supertest: request(app).get("/").expect(200)
        told = " ".join(normal(given) for given in arguments(call) if given.type not in ("identifier", "arrow_function"))
        return Check(
            text=f"expect {told}", subject=_RESPONSE, strength=Strength.EXACT, line=line(call), shown=f".expect({told})"
        )
    if "should" in parts[1:-1]:
        told = f"should {parts[-1]} {' '.join(normal(given) for given in arguments(call))}"
        return Check(text=told, subject=".".join(parts), strength=_strength(parts[-1], ()), line=line(call), shown=shown(call))
    return None


def _expectation(call: "Node") -> Check:
    """`expect(x).not.toBe(y)` as a whole, of which `call` is the innermost part."""
    node = call
    words: list[str] = []
    given: list[Node] = []
    while node.parent is not None:
        parent = node.parent
        if parent.type == "member_expression" and parent.child_by_field_name("object") == node:
            words.append(text(parent.child_by_field_name("property")))
        elif parent.type == "call_expression" and parent.child_by_field_name("function") == node:
            given = arguments(parent)
        else:
            break
        node = parent
    subject = arguments(call)
    matcher = next((word for word in reversed(words) if word in _KNOWN and word != "not"), words[-1] if words else "")
    strength = _strength(matcher, given)
    if "not" in words:
        strength = min(strength, Strength.EXISTENCE if strength is not Strength.NEARLY else Strength.KIND)
    if not words or (_is_constant(subject) and all(_is_literal(value) for value in given)) or _same(subject, given):
        strength = Strength.NOTHING
    return Check(
        text=normal(node),
        subject=normal(subject[0]) if subject else "",
        strength=strength,
        line=line(call),
        shown=shown(node),
        slack=_slack(matcher, given),
    )


def _assertion(call: "Node", matcher: str) -> Check:
    given = arguments(call)
    subject, rest = given[:1], given[1:]
    strength = _strength(matcher, rest)
    if matcher in ("ok", "assert", "truthy", "true", "isTrue", "isOk") and subject:
        strength = _of_condition(subject[0])
    if (matcher != "fail" and _is_constant(subject) and all(_is_literal(value) for value in rest)) or matcher == "pass":
        strength = Strength.NOTHING
    if len(rest) > 0 and _same(subject, rest[:1]):
        strength = Strength.NOTHING
    return Check(
        text=normal(call),
        subject=normal(subject[0]) if subject else "",
        strength=strength,
        line=line(call),
        shown=shown(call),
        slack=_slack(matcher, rest),
    )


def _of_condition(node: "Node") -> Strength:
    if node.type == "binary_expression":
        operator = text(node.child_by_field_name("operator"))
        sides = normal(node.child_by_field_name("left")), normal(node.child_by_field_name("right"))
        if sides[0] == sides[1] or (operator == "||" and "true" in sides):
            return Strength.NOTHING
        return Strength.EXACT if operator in ("===", "==") else Strength.PART
    if _is_literal(node):
        return Strength.NOTHING
    return Strength.KIND if node.type == "call_expression" else Strength.EXISTENCE


def _strength(matcher: str, given: "list[Node] | tuple[Node, ...]") -> Strength:
    for word, least in _VAGUE.items():
        if any(word in text(value) for value in given):
            return least
    if matcher in ("toThrow", "throws", "throwsAsync", "rejects"):
        return (
            Strength.NEARLY
            if any(value.type not in ("arrow_function", "function_expression") for value in given)
            else Strength.KIND
        )
    kinds = (
        (_EXACT, Strength.EXACT),
        (_NEARLY, Strength.NEARLY),
        (_KIND, Strength.KIND),
        (_EXISTENCE, Strength.EXISTENCE),
    )
    return next((strength for names, strength in kinds if matcher in names), Strength.PART)


def _slack(matcher: str, given: "list[Node]") -> float | None:
    numbers = [_number(value) for value in given]
    if matcher == "toBeCloseTo":
        digits = numbers[1] if len(numbers) > 1 and numbers[1] is not None else 2.0  # jest's default (its documentation)
        return float(10.0 ** -min(max(digits, -300.0), 300.0))
    if matcher in ("closeTo", "approximately") and numbers:
        return numbers[-1]
    factor = _BOUNDS.get(matcher) or _FLOORS.get(matcher)
    return factor * numbers[0] if factor is not None and numbers and numbers[0] is not None else None


def _number(node: "Node") -> float | None:
    try:
        return float(text(node).replace("_", ""))
    except ValueError:
        return None


def _is_literal(node: "Node") -> bool:
    return node.type in LITERALS or (node.type == "template_string" and not node.named_children)


def _is_constant(subject: "list[Node]") -> bool:
    return bool(subject) and _is_literal(subject[0])


def _same(subject: "list[Node]", given: "list[Node]") -> bool:
    return len(given) == 1 and bool(subject) and normal(subject[0]) == normal(given[0])
