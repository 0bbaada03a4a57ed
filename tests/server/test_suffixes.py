import pytest
from publicsuffixlist import PublicSuffixList

from portico.server.suffixes import is_public_suffix

WHOLE_LIST = PublicSuffixList()


@pytest.mark.parametrize(
    ("domain", "public"),
    [
        ("com", True),
        ("co.uk", True),
        ("github.io", True),
        ("example.com", False),
        ("a.b.example.co.uk", False),
        ("kobe.jp", True),
        ("anything.kobe.jp", True),
        ("city.kobe.jp", False),
        ("xn--p1ai", True),
        ("xn--55qx5d.cn", True),
        ("example.xn--p1ai", False),
        ("unlisted", True),
        ("example.unlisted", False),
        ("xn--a\u20ac", True),
    ],
)
def test_a_public_suffix_is_one_that_anybody_registers_under(domain: str, public: bool) -> None:
    assert is_public_suffix(domain) is public
    assert WHOLE_LIST.is_public(domain) is public
