"""Real datagrams in namespaces: who is answered, from where, and told which address."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from discovery.programs import GROUP4, GROUP6, Agent, Announcer, probe
from discovery.test_directed import RESOLVE_BODY
from discovery.test_wire_reads import MALFORMED, message
from support.lab import Lab, make_lab, why_no_lab
from support.wait import wait_until

from device.soap.namespaces import WSCN, WSDP

pytestmark = pytest.mark.network

DEVICE = (WSDP, "Device")
SCANNER = (WSCN, "ScanDeviceType")
SERVICE = (WSCN, "ScannerServiceType")
PRINTER = ("http://schemas.microsoft.com/windows/2006/08/wdp/print", "PrintDeviceType")
FINDER = Path(__file__).parent.parent / "support" / "finder.py"


@dataclass(frozen=True)
class Scene:
    """A device that only answers, and somebody to ask from either side."""

    lab: Lab
    device: Announcer
    cli: Agent
    dev: Agent


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    reason = why_no_lab()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("scene")
    with make_lab() as lab:
        device = Announcer(lab.dev, folder, "5a3d9b1c-0000-4000-8000-0000000000ff").started()
        set_up = Scene(lab, device, Agent(lab.cli), Agent(lab.dev))
        yield set_up
        for program in (device, set_up.cli, set_up.dev):
            program.kill()
        assert "Traceback" not in device.log.read_text()


def test_answers_come_from_port_3702_and_the_right_address(scene: Scene):
    """From another machine and from this one; by multicast and directly; over both families."""
    lab, device = scene.lab, scene.device
    local = lab.dev.link_local()
    for asker in (scene.cli, scene.dev):
        for to, own, host in (
            (GROUP4, lab.dev.ipv4, lab.dev.ipv4),
            (GROUP6, local, f"[{local}]"),
            (lab.dev.ipv4, lab.dev.ipv4, lab.dev.ipv4),
            (lab.dev.ipv6, "fd77::1", "[fd77::1]"),
            (local, local, f"[{local}]"),
        ):
            first, *more = asker.ask(probe(DEVICE), to=to, want=2 if to == GROUP4 else 1)
            assert (first.host, first.port) == (own, 3702), (asker.side.name, to)
            assert all(copy.data == first.data for copy in more)
            assert first.endpoint == device.urn
            assert first.xaddrs == [device.xaddr(host)]


def test_a_global_ipv6_source_is_told_a_global_address(scene: Scene):
    (answer,) = scene.cli.ask(probe(), to=GROUP6, bind=["fd77::2", 0])
    assert answer.host == "fd77::1"
    assert answer.xaddrs == [scene.device.xaddr("[fd77::1]")]


def test_types_decide_who_is_answered(scene: Scene):
    meant = [probe(), probe(DEVICE), probe(SCANNER), probe(SCANNER, SERVICE)]
    others = [probe(PRINTER), probe(DEVICE, PRINTER)]
    answers = scene.cli.ask(*others, *meant, to=GROUP4, want=None, wait_s=0.85)
    assert len(answers) == 2 * len(meant)


def test_copies_of_a_question_are_answered_once(scene: Scene):
    same = probe()
    assert len(scene.cli.ask(same, same, same, same, to=GROUP4, want=None, wait_s=0.85)) == 2


def test_resolve_is_answered_for_us_and_nobody_else(scene: Scene):
    ours = message(RESOLVE_BODY.format(scene.device.urn.upper()), "Resolve", id="urn:uuid:1")
    other = message(RESOLVE_BODY.format("urn:uuid:other"), "Resolve", id="urn:uuid:2")
    answers = scene.cli.ask(other, ours, to=GROUP4, want=None, wait_s=0.6)
    assert [a.kind for a in answers] == ["ResolveMatches"] * 2
    assert {a.message.getRelatesTo() for a in answers} == {"urn:uuid:1"}


def test_nothing_that_arrives_stops_it(scene: Scene):
    """All that ended the threads of the library, and all that is malformed, in both families."""
    lab, device, hostile = scene.lab, scene.device, scene.cli
    lab.dev.run(["ip", "route", "add", "unreachable", "10.99.0.0/16"])
    bad = [data for data, _ in MALFORMED.values() if len(data) < 60_000]
    bad.append(message('<d:Probe><d:Scopes MatchBy="urn:x">http:</d:Scopes></d:Probe>'))
    for to in (GROUP4, GROUP6, lab.dev.ipv4):
        assert hostile.ask(*bad, to=to, wait_s=0.1) == []
    for source in (
        ("10.99.0.1", 40_000),  # unreachable from there
        ("192.0.2.1", 40_000),  # no route
        ("10.77.0.255", 40_000),
        ("255.255.255.255", 40_000),
        ("224.0.0.1", 40_000),
        ("239.255.255.250", 3702),
        ("127.0.0.1", 3702),
        ("10.77.0.1", 3702),  # its own address and port
        ("10.77.0.1", 0),
        ("10.77.0.2", 0),
        ("10.77.0.66", 40_000),  # on the link, and nobody there
    ):
        hostile.forge(probe(), source)
        hostile.forge(probe(), source, to=lab.dev.ipv4)
    for to in (GROUP4, GROUP6):
        assert hostile.ask(probe(), to=to)
    counts = device.counts()
    assert "dropped: our error" not in counts
    assert counts["dropped: MalformedMessage"] > 30
    assert counts["dropped: unwelcome source"] > 5


def test_an_answer_that_cannot_be_sent_costs_that_answer_only(scene: Scene):
    lab, device, hostile = scene.lab, scene.device, scene.cli
    rule = "chain out { type filter hook output priority 0; ip daddr 10.77.0.66 drop; }"
    lab.dev.run(["nft", "-f", "-"], input=f"table inet refuse {{ {rule}; }}")  # sendmsg: EPERM
    hostile.forge(probe(), ("10.77.0.66", 40_000))
    assert hostile.ask(probe(), to=GROUP4)
    assert hostile.ask(probe(), to=GROUP6)
    wait_until(  # its answer may be the last one to leave
        lambda: any(what.startswith("not sent") for what in device.counts()), 5, "a lost answer"
    )


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "options"),
    [
        (True, False, ()),
        (False, True, ()),
        (True, True, ("--family", "4")),
        (True, True, ("--family", "6")),
    ],
)
def test_one_family_alone(make_lab, announce, agent, ipv4, ipv6, options):
    lab = make_lab(ipv4=ipv4, ipv6=ipv6)
    device = announce(lab.dev, *options)
    asker = agent(lab.cli)
    wanted = int(options[1]) if options else (4 if ipv4 else 6)
    (answer,) = asker.ask(probe(), to=GROUP4 if wanted == 4 else GROUP6)
    assert answer.endpoint == device.urn
    if options:
        other = GROUP6 if wanted == 4 else GROUP4
        assert asker.ask(probe(), to=other, wait_s=0.6) == []


def test_link_local_addresses_alone_are_enough(make_lab, announce, agent):
    lab = make_lab(ipv4=False)
    for side in (lab.dev, lab.cli):
        side.run(["ip", "-6", "addr", "flush", "dev", "lab0", "scope", "global"])
    device = announce(lab.dev)
    local = lab.dev.link_local()
    assert device.addresses() == [local]
    for side in (lab.cli, lab.dev):
        (answer,) = agent(side).ask(probe(), to=GROUP6)
        assert answer.xaddrs == [device.xaddr(f"[{local}]")]


def test_each_of_two_links_is_told_its_own_addresses(make_lab, announce, agent):
    lab = make_lab(links=2)
    device = announce(lab.dev)
    asker = agent(lab.cli)
    for n, name in enumerate(lab.cli.interfaces):
        (answer,) = asker.ask(probe(), to=GROUP4, interface=name)
        assert answer.host == f"10.77.{n}.1"
        assert answer.xaddrs == [device.xaddr(f"10.77.{n}.1")]
        (answer,) = asker.ask(probe(), to=GROUP6, interface=name)
        local = lab.dev.link_local(name)
        assert answer.host == local
        assert answer.xaddrs == [device.xaddr(f"[{local}]")]


@pytest.mark.parametrize("only_lab1", [("--interface", "lab1"), ("--exclude", "*0")])
def test_only_the_interfaces_that_are_meant(make_lab, announce, agent, only_lab1):
    lab = make_lab(links=2)
    announce(lab.dev, *only_lab1)
    # Another program's memberships must not let questions from lab0 in.
    other = agent(lab.dev)
    other.listen(4, "lab0")
    other.listen(6, "lab0")
    asker = agent(lab.cli)
    for to in (GROUP4, GROUP6):
        assert asker.ask(probe(), to=to, interface="lab1")
        assert asker.ask(probe(), to=to, interface="lab0", wait_s=0.6) == []


def test_the_loopback_when_it_is_named(lab: Lab, announce, agent):
    device = announce(lab.dev, "--interface", "lo")
    asker = agent(lab.dev)
    (answer,) = asker.ask(probe(), to=GROUP4, interface="lo")
    assert answer.xaddrs == [device.xaddr("127.0.0.1")]
    (answer,) = asker.ask(probe(), to="127.0.0.1", interface="lo")
    assert answer.host == "127.0.0.1"
    (answer,) = asker.ask(probe(), to="::1", interface="lo")
    assert answer.xaddrs == [device.xaddr("[::1]")]


def test_what_is_advertised_replaces_the_address(lab: Lab, announce, agent):
    device = announce(lab.dev, "--advertise", "scanner.example")
    (answer,) = agent(lab.cli).ask(probe(), to=GROUP6)
    assert answer.xaddrs == [device.xaddr("scanner.example")]


def test_two_programs_share_the_port(lab: Lab, announce, agent):
    listener = agent(lab.dev)
    listener.listen(4, "lab0")
    first, second = announce(lab.dev), announce(lab.dev)
    answers = agent(lab.cli).ask(probe(), to=GROUP4, want=4)
    assert {answer.endpoint for answer in answers} == {first.urn, second.urn}
    second.kill()
    (answer,) = agent(lab.cli).ask(probe(), to=GROUP4)
    assert answer.endpoint == first.urn


def test_a_port_that_is_not_shared_is_one_sentence(lab: Lab, tmp_path):
    hold = "import socket,sys; s=socket.socket(2,2); s.bind(('',3702)); print(1,flush=True);"
    with lab.dev.popen(
        [sys.executable, "-P", "-c", hold + "sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        holder.stdout.readline()
        refused = lab.dev.run(
            [sys.executable, Path(__file__).with_name("announcer.py"), "u", tmp_path], check=False
        )
        holder.stdin.close()
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("UDP port 3702 is held by a program that")


def test_an_unknown_interface_is_one_sentence(lab: Lab, tmp_path):
    command = [sys.executable, Path(__file__).with_name("announcer.py"), "u", tmp_path]
    refused = lab.dev.run([*command, "--interface", "lab7"], check=False)
    assert refused.returncode == 1
    last = refused.stderr.splitlines()[-1]
    assert last == "There is no network interface 'lab7' here; there is lab0, lo."


def test_the_library_s_finder_finds_it_three_times_in_a_row(lab: Lab, announce):
    """On a link with both families its publisher is found once; ours must be found again."""
    finder = lab.cli.popen(
        [sys.executable, FINDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def said(event: str) -> dict:
        while True:
            heard = json.loads(finder.stdout.readline())
            if heard["event"] == event:
                return heard

    said("listening")
    device = announce(lab.dev)
    assert said("hello")["endpoint"] == device.urn
    for _ in range(3):
        finder.stdin.write(json.dumps({"find": [list(DEVICE)]}) + "\n")
        finder.stdin.flush()
        (service,) = said("found")["services"]
        assert service["endpoint"] == device.urn
        assert service["types"] == [list(DEVICE), list(SCANNER)]
    device.stop()
    assert said("bye")["endpoint"] == device.urn
    finder.stdin.close()
    finder.wait(timeout=10)
    finder.stdout.close()
