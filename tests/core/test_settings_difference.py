from portico.core.settings import Sources, resolve
from portico.core.settings.difference import diff_object, diff_text, differences

LEFT = resolve(
    Sources(
        file=("a.yaml", "server:\n  port: 8300\n  workers: 2\n"),
        env={"LETTA_SERVER_PASSWORD": "hunter2"},
    )
)
RIGHT = resolve(
    Sources(
        file=("b.yaml", "server:\n  port: 8400\n"),
        env={"LETTA_WORKERS": "2", "LETTA_SERVER_PASSWORD": "hunter3"},
    )
)


def test_values_are_compared_and_not_where_they_come_from() -> None:
    assert [difference.path for difference in differences(LEFT, RIGHT)] == [
        "server.port",
        "auth.password",
    ]


def test_both_values_and_both_places_are_shown() -> None:
    lines = diff_text(differences(LEFT, RIGHT)).splitlines()
    assert lines[0].split() == [
        *("server.port", "8300", "->", "8400"),
        *("a.yaml:2", "->", "b.yaml:2"),
    ]
    assert lines[1].endswith("(two secrets that differ)")
    assert "hunter" not in str(lines)


def test_no_difference_is_said() -> None:
    assert diff_text(differences(LEFT, LEFT)) == "no difference"
    assert diff_object(differences(LEFT, LEFT)) == {}


def test_the_object_has_both_sides() -> None:
    document = diff_object(differences(LEFT, RIGHT))
    assert document["server.port"] == {
        "a": {"value": 8300, "origin": "file:a.yaml:2"},
        "b": {"value": 8400, "origin": "file:b.yaml:2"},
    }
    assert "hunter" not in str(document)
