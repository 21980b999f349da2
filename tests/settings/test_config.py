"""Flags win over the environment, that over the file, that over the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import config
from device.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scanner.toml"
    path.write_text(text)
    return path


def test_without_anything_the_defaults_hold() -> None:
    loaded = config.load({}, {"HOME": "/home/ann"}, None)
    assert (loaded.source, loaded.profile, loaded.port, loaded.discovery) == (
        "chart",
        "generic",
        None,
        True,
    )


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'name = "file"\nlocation = "file"\nport = 1\nhistory = 7\n')
    environment = {"WSD_SCANNER_NAME": "environment", "WSD_SCANNER_LOCATION": "environment"}
    loaded = config.load({"name": "flag", "port": None}, environment, file)
    assert (loaded.name, loaded.location, loaded.port, loaded.history) == (
        "flag",
        "environment",
        1,
        7,
    )


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'name = "file"\n')
    assert config.load({}, {"WSD_SCANNER_CONFIG": str(file)}, None).name == "file"


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("0", False), ("False", False), ("1", True)]
)
def test_the_environment_spells_booleans_in_words(text: str, value: bool) -> None:
    assert config.load({}, {"WSD_SCANNER_DISCOVERY": text}, None).discovery is value


def test_the_environment_lists_interfaces_with_commas_or_blanks() -> None:
    loaded = config.load({}, {"WSD_SCANNER_INTERFACE": "eth0, wlan0 eth1"}, None)
    assert loaded.interfaces == ("eth0", "wlan0", "eth1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prot = 1\n", "prot is not known; did you mean 'port'?"),
        ('port = "1"\n', "port is '1', and must be a whole number from 0 to 65535."),
        ("port = 70000\n", "port is 70000, and must be a whole number from 0 to 65535."),
        ("port = true\n", "port is True, and must be a whole number from 0 to 65535."),
        ('log_format = "jsn"\n', "log_format is 'jsn'; did you mean 'json'?"),
        ('uuid = "x"\n', "uuid is 'x', and must be a UUID."),
        ('interface = "eth0"\n', "interface is 'eth0', and must be a list of texts."),
        ("port = \n", "is not TOML"),
    ],
)
def test_a_wrong_file_is_answered_with_what_would_be_right(
    tmp_path: Path, text: str, sentence: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load({}, {}, file)
    assert str(caught.value).startswith(str(file))
    assert sentence in str(caught.value)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="WSD_SCANNER_PORT is 'x', and must be a number"):
        config.load({}, {"WSD_SCANNER_PORT": "x"}, None)
    with pytest.raises(ConfigError, match="WSD_SCANNER_DISCOVERY is 'maybe'"):
        config.load({}, {"WSD_SCANNER_DISCOVERY": "maybe"}, None)


def test_a_missing_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        config.load({}, {}, tmp_path / "none.toml")


def test_systemd_names_the_state_folder() -> None:
    folder = config.default_state_dir({"STATE_DIRECTORY": "/var/lib/x:/var/lib/y"})
    assert folder == Path("/var/lib/x")
    assert config.default_state_dir({"XDG_STATE_HOME": "/s"}) == Path("/s/wsd-scanner")


def test_pages_wait_in_the_state_folder_unless_another_is_named() -> None:
    loaded = config.load({"state_dir": "/s"}, {}, None)
    assert (loaded.state_dir, loaded.spool_dir) == (Path("/s"), Path("/s"))
    assert config.load({}, {"WSD_SCANNER_SPOOL_DIR": "/d"}, None).spool_dir == Path("/d")


def test_how_much_scanning_gives_way_can_be_set_within_what_the_system_knows() -> None:
    assert config.load({}, {}, None).niceness == 10
    assert config.load({"niceness": 0}, {}, None).niceness == 0
    for wrong in (-1, 20):
        with pytest.raises(ConfigError, match=r"--niceness is .* from 0 to 19"):
            config.load({"niceness": wrong}, {}, None)


@pytest.mark.parametrize("prefix", ["", "urn:uuid:", "uuid:", "URN:UUID:"])
def test_an_identity_may_be_spelt_as_uuid_or_urn(prefix: str) -> None:
    plain = "5a3d0d9e-1c1a-4f6e-8a2b-0c1d2e3f4a5b"
    assert config.parse_uuid(prefix + plain.upper()) == plain


@pytest.mark.parametrize("value", ["not an addr", "http://x/", "a_b", "-x", "x" * 300])
def test_what_cannot_stand_in_an_address_is_not_advertised(value: str) -> None:
    with pytest.raises(ConfigError, match="--advertise"):
        config.load({"advertise": value}, {}, None)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("scanner.example.org", "scanner.example.org"),
        ("", ""),
    ],
)
def test_addresses_and_host_names_are_advertised(value: str, told: str) -> None:
    assert config.load({"advertise": value}, {}, None).advertise == told


def test_a_blank_name_is_none() -> None:
    assert config.load({"name": "   "}, {}, None).name == ""


def test_a_tilde_in_a_file_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    file = write(tmp_path, 'state_dir = "~/s"\nprofile = "~/p.toml"\n')
    loaded = config.load({}, {}, file)
    assert (loaded.state_dir, loaded.profile) == (Path("/home/ann/s"), "/home/ann/p.toml")


def test_a_misspelt_variable_is_told() -> None:
    (sentence,) = config.unknown_variables({"WSD_SCANNER_PROT": "1", "WSD_SCANNER_PORT": "1"})
    assert sentence == "WSD_SCANNER_PROT is not known; did you mean 'WSD_SCANNER_PORT'?"
