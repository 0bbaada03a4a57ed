"""Public suffixes, from the kept-up list that ``publicsuffixlist`` carries."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def is_public_suffix(domain: str) -> bool:
    """Say whether anybody may register a name directly under *domain*, such as ``co.uk``.

    Args:
        domain: A host in lower case, internationalised labels in punycode.

    Source: https://publicsuffix.org/list/, ICANN and private sections. An unlisted top-level
    domain counts as a public suffix (the list's prevailing rule ``*``).
    """
    return bool(rules_under(domain.rpartition(".")[2]).is_public(domain))


@cache
def rules_under(top_level: str) -> "PublicSuffixList":
    """Read the rules of one top-level domain, when the first pattern below it asks for them.

    The whole list takes longer to read than all settings together; a rule matches from the right,
    so that those which end otherwise cannot decide.
    """
    import publicsuffixlist

    text = Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8")
    rule = rf"^(?!//)\S*{re.escape(as_listed(top_level))}(?=\s|$)"
    return publicsuffixlist.PublicSuffixList(re.findall(rule, text, re.MULTILINE))


def as_listed(label: str) -> str:
    """Write a label as the list does: internationalised ones in Unicode."""
    try:
        return label.encode("ascii").decode("idna")
    except UnicodeError:
        return label
