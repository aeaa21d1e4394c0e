"""Seeds of the runners of Python tests beyond the plain ones: plugins that change what pytest says, and unittest."""

from forge_dagster.domain.outcomes import Outcome
from forge_dagster.domain.project import PythonProject
from tests.support.seeds import Seed
from tests.support.suite_seeds import _PYTEST, _PYTHON

FAILED, PASSED, ERRORED = Outcome.FAILED, Outcome.PASSED, Outcome.ERRORED

_REGRESSION = (
    "def test_prices(data_regression):\n    data_regression.check({'total': 3})\n\n\n"
    "def test_wrong():\n    assert 1 == 2\n\n\ndef test_right():\n    pass\n"
)
_FLAKY = """from pathlib import Path

LEFT = Path(__file__).with_name("left-over.txt")


def test_flaky():
    seen = LEFT.exists()
    LEFT.touch()
    assert seen


def test_failing():
    LEFT.unlink()
    LEFT.touch()
    assert not LEFT.exists()
"""
_PROPERTY = """from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from shop.price import total


@given(st.lists(st.integers(0, 3)), st.integers(0, 3))
def test_discount(prices, discount):
    assert total(prices, discount) >= 0


class Cart(RuleBasedStateMachine):
    @rule(price=st.integers(0, 9))
    def add(self, price):
        assert price < 7


TestCart = Cart.TestCase
"""
_AMBR = "# serializer version: 1\n# name: test_total\n  3\n# ---\n"


def _python(requirement: str) -> PythonProject:
    return _PYTHON.model_copy(update={"requirement_files": ("requirements.txt",), "dependencies": frozenset({requirement})})


PYTEST = (
    Seed(
        tool="pytest",
        case="flaky",
        files={**_PYTEST, ".gitignore": "__pycache__/\nleft-over.txt\n", "tests/test_flaky.py": _FLAKY},
        python=_PYTHON,
        outcome=FAILED,
        findings=(("tests/test_flaky.py", 9, "test-failed"), ("tests/test_flaky.py", 15, "test-failed")),
        examined=3,
    ),
    Seed(
        tool="pytest",
        case="broken-file-beside-others",
        files={**_PYTEST, "tests/test_broken.py": "import nowhere\n"},
        python=_PYTHON,
        outcome=FAILED,
        findings=(("tests/test_broken.py", 1, "collection-error"),),
        examined=2,
    ),
    Seed(
        tool="pytest",
        case="syrupy-unused",
        files={
            **_PYTEST,
            "requirements.txt": "syrupy\n",
            "tests/test_price.py": "def test_total(snapshot):\n    assert 3 == snapshot\n",
            "tests/__snapshots__/test_price.ambr": f"{_AMBR}# name: test_gone\n  4\n# ---\n",
        },
        python=_python("syrupy"),
        outcome=PASSED,
        examined=1,
    ),
    Seed(
        tool="pytest",
        case="syrupy-missing",
        files={
            **_PYTEST,
            "requirements.txt": "syrupy\n",
            "tests/test_price.py": (
                "def test_total(snapshot):\n    assert 3 == snapshot\n\n\ndef test_new(snapshot):\n    assert 5 == snapshot\n"
            ),
            "tests/__snapshots__/test_price.ambr": _AMBR,
        },
        python=_python("syrupy"),
        outcome=FAILED,
        findings=(("tests/test_price.py", 6, "test-failed"),),
        examined=2,
    ),
    Seed(
        tool="pytest",
        case="regressions-created",
        files={**_PYTEST, "requirements.txt": "pytest-regressions\n", "tests/test_price.py": _REGRESSION},
        python=_python("pytest-regressions"),
        outcome=FAILED,
        findings=(("tests/test_price.py", 2, "snapshot-written"), ("tests/test_price.py", 6, "test-failed")),
        examined=3,
    ),
    Seed(
        tool="pytest",
        case="counterexample",
        files={**_PYTEST, "requirements.txt": "hypothesis\n", "tests/test_property.py": _PROPERTY},
        python=_python("hypothesis"),
        outcome=FAILED,
        findings=(("tests/test_property.py", 10, "test-failed"), ("tests/test_property.py", 16, "test-failed")),
        examined=3,
    ),
)

_UNITTEST = {
    ".gitignore": "__pycache__/\n",
    "shop/__init__.py": "",
    "shop/price.py": "def total(prices, discount=0):\n    return sum(prices) - discount\n",
    "tests/__init__.py": "",
    "tests/test_price.py": (
        "import unittest\n\nfrom shop.price import total\n\n\nclass PriceTest(unittest.TestCase):\n"
        "    def test_total(self):\n        self.assertEqual(total([1, 2]), 3)\n"
    ),
}
_PLAIN = PythonProject(manager="pip")
_UNITTEST_FAULTS = """import unittest

from shop.price import total


class DiscountTest(unittest.TestCase):
    def test_discount(self):
        self.assertEqual(total([1, 2], 1), 3, "two\\nlines")

    def test_each(self):
        for price in (1, 2):
            with self.subTest(price=price):
                self.assertEqual(total([price]), 1)

    @unittest.skip("not now")
    def test_skipped(self):
        pass

    @unittest.expectedFailure
    def test_expected(self):
        self.assertEqual(total([]), 0)


class FixtureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise ValueError("set-up")

    def test_never(self):
        pass
"""

UNITTEST = (
    Seed(tool="unittest", case="clean", files=_UNITTEST, python=_PLAIN, outcome=PASSED, examined=1),
    Seed(
        tool="unittest",
        case="fault",
        files={**_UNITTEST, "tests/test_faults.py": _UNITTEST_FAULTS, "tests/test_broken.py": "import nowhere\n"},
        python=_PLAIN,
        outcome=FAILED,
        findings=(
            ("tests/test_broken.py", 1, "collection-error"),
            ("tests/test_faults.py", 8, "test-failed"),
            ("tests/test_faults.py", 13, "test-failed"),
            ("tests/test_faults.py", 19, "test-failed"),
            ("tests/test_faults.py", 27, "test-error"),
        ),
        examined=6,
    ),
    Seed(
        tool="unittest",
        case="no-tests",
        files={**_UNITTEST, "tests/test_price.py": "# none left\n"},
        python=_PLAIN,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="unittest",
        case="all-skipped",
        files={
            **_UNITTEST,
            "tests/test_price.py": (
                "import unittest\n\n\n@unittest.skip('no')\nclass PriceTest(unittest.TestCase):\n"
                "    def test_total(self):\n        pass\n"
            ),
        },
        python=_PLAIN,
        outcome=FAILED,
        findings=((None, None, "no-tests"),),
        examined=0,
    ),
    Seed(
        tool="unittest",
        case="ends-early",
        files={
            **_UNITTEST,
            "tests/test_z.py": (
                "import os\nimport unittest\n\n\nclass Z(unittest.TestCase):\n    def test_z(self):\n        os._exit(0)\n"
            ),
        },
        python=_PLAIN,
        outcome=ERRORED,
        examined=0,
    ),
)

SEEDS = (*PYTEST, *UNITTEST)
