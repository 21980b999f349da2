"""`wsd-scanner processes` and `wsd-scanner check`: what they say, and their exit codes."""

from pathlib import Path

import pytest
from processes.documents import document, email, share, switch
from support import slapd
from support.slapd import process_entry

from device import cli

GUID = "C4F199C7-6876-4549-A86E-A85035952448"
PARAMETERS = '<w:Format w:MustHonor="true">pdf-a</w:Format><w:InputSource>ADF</w:InputSource>'
TOO_MUCH = '<w:InputSource w:MustHonor="true">Film</w:InputSource>'


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main(["processes", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_process_is_shown_whole(capsys, tmp_path: Path):
    file = tmp_path / f"Invoices {GUID}.xml"
    file.write_text(
        document(
            share(r"\\files\invoices"),
            email("a@b.c", can_add=True),
            parameters=PARAMETERS,
            switches=switch("FileName"),
        )
    )
    code, out, err = run(capsys, file)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "Invoices: a scan process for scan.example.org",
        f"identifier {GUID}",
        "files invoice_…",
        r"to \\files\invoices",
        "to e-mail to a@b.c",
        "Format = pdf-a",
        "InputSource : ADF",
        "the user may add e-mail addresses, change the file name",
    ]


def test_a_process_that_this_device_cannot_do(capsys, tmp_path: Path):
    file = tmp_path / "film.xml"
    file.write_text(document(parameters=TOO_MUCH))
    code, out, _ = run(capsys, file)
    assert code == 1
    assert "this device cannot do what it asks: InputSource" in out


def test_a_broken_process_is_one_sentence(capsys, tmp_path: Path):
    file = tmp_path / "broken.xml"
    file.write_text(document(root_name="a/b"))
    code, out, err = run(capsys, file)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{file}: DocumentRootName: must not hold '/'" in err


def test_check_takes_a_process_for_one(capsys, tmp_path: Path):
    file = tmp_path / "p.xml"
    file.write_text(document())
    assert cli.main(["check", str(file)]) == 0
    assert "a scan process for scan.example.org" in capsys.readouterr().out


def test_check_looks_into_the_list_of_a_configuration(capsys, tmp_path: Path):
    file = tmp_path / "scanner.toml"
    file.write_text('[[process]]\nname = "Invoices"\nserver = "scan.example.org"\n')
    assert cli.main(["check", str(file)]) == 0
    file.write_text('[[process]]\nname = "Invoices"\nserver = "a b"\n')
    assert cli.main(["check", str(file)]) == 2
    assert "process[1].server" in capsys.readouterr().err
    file.write_text('badges = "/nowhere/badges.toml"\n')
    assert cli.main(["check", str(file)]) == 2


def test_the_list_of_a_configuration_is_shown_as_a_user_sees_it(capsys, tmp_path: Path):
    file = tmp_path / "scanner.toml"
    file.write_text(
        '[[process]]\nname = "Invoices"\nserver = "s"\nusers = ["joe@example.org"]\n'
        '[[process]]\nname = "Minutes"\nserver = "s"\n'
    )
    for user, names in (("joe@example.org", ["Invoices", "Minutes"]), ("ann", ["Minutes"])):
        code, out, _ = run(capsys, "--config", file, "--user", user)
        assert (code, [line[38:] for line in out.splitlines()]) == (0, names)


def test_a_folder_is_listed_with_what_cannot_be_used(capsys, tmp_path: Path):
    (tmp_path / f"Invoices {GUID}.xml").write_text(document())
    assert run(capsys, "--process-folder", tmp_path) == (0, f"{GUID}  Invoices\n", "")
    (tmp_path / "Film.xml").write_text(document(parameters=TOO_MUCH))
    code, out, _ = run(capsys, "--process-folder", tmp_path)
    assert code == 1
    assert [line[38:] for line in out.splitlines()] == [
        "Film",
        "The scan process 'Film' cannot be used: this device cannot do what it asks: "
        "InputSource: is not supported.",
        "Invoices",
    ]
    code, out, _ = run(capsys, "--process-folder", tmp_path, GUID.lower())
    assert out.startswith("Invoices: a scan process for")
    code, _, err = run(capsys, "--process-folder", tmp_path, GUID.replace("C", "D"))
    assert code == 1
    assert "There is no scan process" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "needs a FILE"),
        (["--directory", "ldaps://x"], "needs --user"),
        (["--process-folder", "/nowhere"], "no such folder"),
        (["/nowhere.xml"], "No such file"),
        (["--directory", "ldaps://x", "--user", "j", "--password-file", "/none"], "cannot be read"),
        (["--directory", "ftp://x", "--user", "j"], "ldaps://HOST"),
        (["--directory-login", "ntlm"], "there is gssapi, simple, spnego"),
    ],
)
def test_wrong_use_is_one_sentence(capsys, bonsai, words, sentence):
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_a_directory_is_asked_as_a_user(capsys, bonsai, tmp_path: Path):
    entries = process_entry("Payroll", document()) + process_entry("Invoices", document())
    (tmp_path / "joe").write_text("secret of joe\n")
    (tmp_path / "ann").write_text("secret of ann\r\n")
    with slapd.running(tmp_path / "slapd", entries) as server:
        flags = ["--directory", server.url, "--directory-ca", server.ca]
        flags += ["--directory-user-dn", slapd.USER_DN]

        def names(user: str, password: Path) -> tuple[int, list[str]]:
            code, out, _ = run(capsys, *flags, "--user", user, "--password-file", password)
            return code, [line[38:] for line in out.splitlines()]

        assert names("joe", tmp_path / "joe") == (0, ["Invoices"])
        assert names("ann", tmp_path / "ann") == (0, ["Invoices", "Payroll"])
        code, _, err = run(capsys, *flags, "--user", "ann", "--password-file", tmp_path / "joe")
        assert code == 1
        assert "The logon was refused" in err
        assert "secret" not in err
