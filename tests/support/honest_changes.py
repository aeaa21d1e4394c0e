"""Honest changes, made up: features, repairs, refactorings and tidying of small modules, the same ones for the same seed."""

import random
from collections.abc import Callable, Iterator

from tests.support.integrity_corpus import Example

_NOUNS = (
    "order",
    "basket",
    "invoice",
    "stock",
    "customer",
    "parcel",
    "refund",
    "voucher",
    "route",
    "ticket",
    "label",
    "supplier",
)
_VERBS = ("count", "total", "merge", "parse", "render", "filter", "group", "rank", "split", "check", "load", "round")

Module = tuple[str, str]
"""A name and what it does."""


def generated(count: int = 240, seed: int = 4) -> Iterator[Example]:
    """`count` changes, half of them in Python and half in TypeScript."""
    chance = random.Random(seed)
    for number in range(count):
        noun, verb = chance.choice(_NOUNS), chance.choice(_VERBS)
        kinds = _PYTHON if number % 2 == 0 else _SCRIPT
        make = kinds[(number // 2) % len(kinds)]
        factor = chance.randint(2, 99)
        base, head = make(f"{verb}_{noun}" if number % 2 == 0 else f"{verb}{noun.capitalize()}", noun, factor)
        yield Example(name=f"{number} {make.__name__} {noun}", base=base, head=head, title=f"{verb.capitalize()} {noun}s")


Sides = tuple[dict[str, str | bytes | None], dict[str, str | bytes | None]]
Make = Callable[[str, str, int], Sides]


def _python(name: str, factor: int) -> str:
    return (
        f'"""About {name}."""\n\nimport logging\n\nLIMIT = {factor}\n\n\ndef {name}(items):\n'
        '    """Work on the items."""\n    result = []\n'
        f"    for item in items:\n        if item > LIMIT:\n            logging.info('too large: %s', item)\n"
        f"            continue\n"
        f"        result.append(item * {factor})\n    return result\n"
    )


def _python_test(name: str, noun: str, factor: int) -> str:
    return (
        f"import pytest\n\nfrom shop.{noun} import {name}\n\n\ndef test_{name}():\n    found = {name}([1, 2])\n"
        f"    assert found == [{factor}, {factor * 2}]\n\n\n@pytest.mark.parametrize('value', [0, 1])\n"
        f"def test_{name}_small(value):\n"
        f"    assert {name}([value]) == [value * {factor}]\n"
    )


def _both(name: str, noun: str, factor: int) -> tuple[str, str, str, str]:
    return f"shop/{noun}.py", _python(name, factor), f"tests/test_{noun}.py", _python_test(name, noun, factor)


def _feature(name: str, noun: str, factor: int) -> Sides:
    place, code, test, tests = _both(name, noun, factor)
    more = f"\n\ndef {name}_once(items):\n    seen = set()\n    return [i for i in items if not (i in seen or seen.add(i))]\n"
    checks = f"\n\ndef test_{name}_once():\n    assert {name}_once([1, 1, 2]) == [1, 2]\n"
    imported = tests.replace(f"import {name}\n", f"import {name}, {name}_once\n")
    return {place: code, test: tests}, {place: code + more, test: imported + checks}


def _extracted(name: str, noun: str, factor: int) -> Sides:
    place, code, _, _ = _both(name, noun, factor)
    head = code.replace(f"result.append(item * {factor})", "result.append(_scaled(item))")
    return {place: code}, {place: head + f"\n\ndef _scaled(item):\n    return item * {factor}\n"}


def _repaired(name: str, noun: str, factor: int) -> Sides:
    place, code, test, tests = _both(name, noun, factor)
    head = code.replace("    result = []\n", "    if items is None:\n        return []\n    result = []\n")
    return {place: code, test: tests}, {
        place: head,
        test: tests + f"\n\ndef test_{name}_of_nothing():\n    assert {name}(None) == []\n",
    }


def _renamed_locals(name: str, noun: str, factor: int) -> Sides:
    place, code, test, tests = _both(name, noun, factor)
    head = code.replace("result", "scaled").replace("item ", "entry ").replace("item\n", "entry\n").replace("item)", "entry)")
    return {place: code, test: tests}, {place: head, test: tests.replace("found", "answer")}


def _moved_test(name: str, noun: str, factor: int) -> Sides:
    place, code, test, tests = _both(name, noun, factor)
    return {place: code, test: tests, "tests/unit/__init__.py": ""}, {
        test: None,
        f"tests/unit/test_{noun}.py": tests,
        place: code,
    }


def _typed(name: str, noun: str, factor: int) -> Sides:
    place, code, _, _ = _both(name, noun, factor)
    return {place: code}, {
        place: code.replace("(items):", "(items: list[int]) -> list[int]:").replace("= []", ": list[int] = []")
    }


def _raising(name: str, noun: str, factor: int) -> Sides:
    place, code, test, tests = _both(name, noun, factor)
    head = code.replace("            continue\n", "            raise ValueError(item)\n")
    large = factor + 1
    more = f"\n\ndef test_{name}_refuses():\n    with pytest.raises(ValueError, match='{large}'):\n        {name}([{large}])\n"
    return {place: code, test: tests}, {place: head, test: tests + more}


def _documented(name: str, noun: str, factor: int) -> Sides:
    readme = f"# Shop\n\n`{name}` works on {noun}s.\n"
    return {"README.md": readme}, {
        "README.md": readme + f"\nIt takes at most {factor} of them. Please do not call it in a loop.\n"
    }


def _tests_only(name: str, noun: str, factor: int) -> Sides:
    _, _, test, tests = _both(name, noun, factor)
    return {test: tests}, {
        test: tests.replace("[0, 1]", "[0, 1, 2, 3]").replace("found ==", "len(found) == 2\n    assert found ==")
    }


def _dependency(name: str, noun: str, factor: int) -> Sides:
    text = f'[project]\nname = "{noun}"\ndependencies = ["httpx>=0.{factor}"]\n\n[tool.ruff.lint]\nselect = ["E"]\n'
    return {"pyproject.toml": text}, {
        "pyproject.toml": text.replace(f"0.{factor}", f"0.{factor + 1}").replace('["E"]', '["E", "F"]')
    }


_PYTHON: tuple[Make, ...] = (
    _feature, _extracted, _repaired, _renamed_locals, _moved_test, _typed, _raising, _documented, _tests_only, _dependency,
)  # fmt: skip


def _script(name: str, factor: int) -> str:
    return (
        f"export const LIMIT = {factor}\n\nexport function {name}(items: number[]): number[] {{\n"
        f"  const result: number[] = []\n"
        f"  for (const item of items) {{\n    if (item > LIMIT) {{\n      continue\n    }}\n"
        f"    result.push(item * {factor})\n  }}\n"
        "  return result\n}\n"
    )


def _spec(name: str, noun: str, factor: int) -> str:
    return (
        f"import {{ describe, expect, it }} from 'vitest'\nimport {{ {name} }} from '../src/{noun}'\n\n"
        f"describe('{name}', () => {{\n"
        f"  it('scales', () => {{\n    expect({name}([1, 2])).toEqual([{factor}, {factor * 2}])\n  }})\n"
        f"  it.each([[0], [1]])('takes %i', (value) => {{\n"
        f"    expect({name}([value])).toEqual([value * {factor}])\n  }})\n}})\n"
    )


def _pair(name: str, noun: str, factor: int) -> tuple[str, str, str, str]:
    return f"src/{noun}.ts", _script(name, factor), f"test/{noun}.test.ts", _spec(name, noun, factor)


def _script_feature(name: str, noun: str, factor: int) -> Sides:
    place, code, test, spec = _pair(name, noun, factor)
    more = f"\nexport const {name}Once = (items: number[]): number[] => [...new Set(items)]\n"
    checks = f"\nit('leaves out doubles', () => {{\n  expect({name}Once([1, 1, 2])).toEqual([1, 2])\n}})\n"
    return {place: code, test: spec}, {place: code + more, test: spec + checks}


def _script_mapped(name: str, noun: str, factor: int) -> Sides:
    place, code, _, _ = _pair(name, noun, factor)
    start = code.index("  const result")
    return {place: code}, {place: code[:start] + f"  return items.filter((i) => i <= LIMIT).map((i) => i * {factor})\n}}\n"}


def _script_reformatted(name: str, noun: str, factor: int) -> Sides:
    place, code, test, spec = _pair(name, noun, factor)
    return {place: code, test: spec}, {place: code.replace("\n", ";\n", 1), test: spec.replace("'", '"').replace(")\n", ");\n")}


def _script_refusing(name: str, noun: str, factor: int) -> Sides:
    place, code, test, spec = _pair(name, noun, factor)
    head = code.replace("      continue\n", "      throw new RangeError(String(item))\n")
    checks = f"\nit('refuses', () => {{\n  expect(() => {name}([{factor + 1}])).toThrow(RangeError)\n}})\n"
    return {place: code, test: spec}, {place: head, test: spec + checks}


def _script_moved(name: str, noun: str, factor: int) -> Sides:
    place, code, test, spec = _pair(name, noun, factor)
    return {place: code, test: spec}, {place: code, test: None, f"test/unit/{noun}.test.ts": spec}


def _script_package(name: str, noun: str, factor: int) -> Sides:
    text = (
        f'{{\n  "name": "{noun}",\n  "scripts": {{"test": "vitest run"}},\n  "dependencies": {{"zod": "^3.{factor}.0"}}\n}}\n'
    )
    more = text.replace(f"3.{factor}", f"3.{factor + 1}").replace('"test"', '"build": "tsc", "test"')
    return {"package.json": text}, {"package.json": more}


_SCRIPT: tuple[Make, ...] = (
    _script_feature, _script_mapped, _script_reformatted, _script_refusing, _script_moved, _script_package,
)  # fmt: skip
