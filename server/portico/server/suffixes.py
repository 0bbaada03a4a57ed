"""Public suffixes, from the kept-up list that ``publicsuffixlist`` carries."""

from functools import cache
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
    return bool(public_suffixes().is_public(domain))


@cache
def public_suffixes() -> "PublicSuffixList":
    """Read the list, when the first pattern asks for it: most configurations have none."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
