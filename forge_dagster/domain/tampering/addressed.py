"""Text that speaks to whoever reviews the change, a model above all, and not to who uses the code."""

import re
from collections.abc import Iterator

from forge_dagster.domain.tampering.signs import Sign, asks

_LONGEST = 4_000
_WORDS = re.compile(
    r"review|approve|merge|ignore|disregard|forget|override|you are|do not|<\W*(system|assistant|instruction|.?im_)|\bai\b|llm"
    r"|model|assistant|INST\]|accept|lgtm",
    re.IGNORECASE,
)
"""Of which a line has one, if it is to meet a pattern."""
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(ignore|disregard|forget|override)\b.{0,30}\b(previous|prior|above|earlier|all|any|your|system|other)\b.{0,25}"
        r"\b(instruction|prompt|rule|guideline|direction|finding|polic)",
        r"\b(reviewer|review(ing)? (bot|agent|model|ai)|ai (reviewer|agent|assistant|model)|llm|assistant|forge|copilot"
        r"|claude|gpt)\b.{0,40}"
        r"\b(must|should|please|shall|will|is to|are to|need to|can safely|has to)\b.{0,40}"
        r"\b(approve|accept|merge|pass|skip|ignore|lgtm|not (report|flag|mention|comment|review)|treat|rate|mark)",
        r"\b(note|message|instructions?|attention|dear|hint)\b.{0,10}\b(to|for)\b.{0,12}\b(the |any |an )?"
        r"(ai|llm|automated|reviewer|review(ing)? (bot|agent|model)|model|assistant)\b",
        r"\bdo not (report|flag|mention|comment on|review|raise)\b.{0,50}\b(issue|finding|problem|change|file|line"
        r"|vulnerab|this)",
        r"\b(approve|merge|accept|lgtm)\b.{0,30}\b(without|skip\w*|no)\b.{0,20}\b(review|check|test|comment|question)",
        r"\b(already|pre-?)\s*(been\s+)?(approved|reviewed|audited|signed off)\b.{0,30}\b(by|security|merge|human"
        r"|team)\b.{0,60}"
        r"\b(approve|merge|skip|pass|no (further )?review)",
        r"\byou are (now )?(a|an|the)\b.{0,30}\b(reviewer|assistant|code review|approver|language model)",
        r"<\s*/?\s*(system|assistant|instructions?|im_start|im_end)\s*>|<\|im_(start|end)\|>|\[/?INST\]",
    )
)


def addressed_signs(text: str) -> Iterator[Sign]:
    """Lines that tell a reviewer what to answer."""
    for number, line in enumerate(text.split("\n"), 1):
        shortened = line[:_LONGEST]
        if _WORDS.search(shortened) and any(pattern.search(shortened) for pattern in _PATTERNS):
            message = f"this speaks to whoever reviews the change: {shortened.strip()}"
            key = " ".join(shortened.split())
            yield asks(
                "instructs-reviewer",
                message,
                key=key,
                line=number,
                fix="remove it: what a change says of itself is no evidence",
            )
