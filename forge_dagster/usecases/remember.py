"""Answer a gate from the record where its inputs were judged before, and keep new answers."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from forge_dagster.domain.memo import Circumstances, MemoKeys, holds_anywhere, may_remember, memo_keys, recalled
from forge_dagster.domain.results import GateResult
from forge_dagster.ports import Checkout, Clock, Memo, Remembered


@dataclass(kw_only=True)
class Memory:
    """The record as one check, or one gate of a run, uses it; without a `memo` every gate is asked. Threads may share it.

    `contents` reads the tree as it is, `around` all else that answers depend on, each time it is called; `run` is the address
    of the page of the run that asks ("" for `forge check`).
    """

    memo: Memo | None
    checkout: Checkout
    contents: Callable[[], Mapping[str, str] | None]
    around: Callable[[], Circumstances]
    clock: Clock
    run: str = ""
    _seen: list[Mapping[str, str] | None] = field(default_factory=list)
    _before: list[Circumstances] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _given: dict[str, GateResult] = field(default_factory=dict)

    def answer(self, gate: str, examine: Callable[[], GateResult]) -> GateResult:
        """The remembered answer of `gate`, or what `examine` gives; that is kept by `keep`."""
        if self.memo is None:
            return examine()
        begun = self.clock.monotonic()
        with self._lock:
            if not self._seen:
                self._seen.append(self.contents())
                self._before.append(self.around())
        keys = self._keys(gate, self._seen[0], self._before[0])
        for key in (keys.exact, keys.anywhere) if keys is not None else ():
            found = self.memo.get(key) if key is not None else None
            if found is not None and found.result.gate == gate:
                when = datetime.fromtimestamp(found.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
                return recalled(found.result, when=when, run=found.run, elapsed_s=self.clock.monotonic() - begun)
        result = examine()
        if keys is not None:
            self._given[gate] = result
        return result

    def keep(self) -> None:
        """Keep what was answered anew, unless the tree is no longer the one that was asked about."""
        fresh = {g: r for g, r in self._given.items() if may_remember(r, self.checkout.change)}
        seen = self._seen[0] if self._seen else None
        if self.memo is None or not fresh or seen is None or self.contents() != seen:
            return
        around = self.around()
        for gate, result in fresh.items():
            keys = self._keys(gate, seen, around)
            if keys is None:
                continue
            remembered = Remembered(result=result, run=self.run, at=self.clock.now())
            self.memo.put(keys.exact, remembered)
            if keys.anywhere is not None and holds_anywhere(result):
                self.memo.put(keys.anywhere, remembered)

    def _keys(self, gate: str, seen: Mapping[str, str] | None, around: Circumstances) -> MemoKeys | None:
        if seen is None:
            return None
        checkout = self.checkout
        head = checkout.head or checkout.change.head_sha
        return memo_keys(gate, contents=seen, change=checkout.change, head=head, around=around, now=self.clock.now())
