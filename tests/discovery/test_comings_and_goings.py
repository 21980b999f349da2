"""Hello, Bye, and interfaces and addresses that come and go while it runs."""

import pytest
from discovery.programs import GROUP4, GROUP6, probe
from support.lab import Lab
from support.wait import wait_until

pytestmark = pytest.mark.network

HELLO_WITHIN_S = 2.0
UUID = "5a3d9b1c-0000-4000-8000-0000000000aa"


def test_hello_and_bye_on_every_link_and_family(make_lab, announce, agent):
    """Heard by others, and by programs on the same machine."""
    lab = make_lab(links=2)
    listeners = [agent(side) for side in (lab.cli, lab.dev)]
    for listener in listeners:
        listener.listen(4, *lab.cli.interfaces)
        listener.listen(6, *lab.cli.interfaces)
    device = announce(lab.dev)
    own = {
        *(f"10.77.{n}.1" for n in range(2)),
        *(lab.dev.link_local(name) for name in lab.dev.interfaces),
    }
    for listener in listeners:
        hellos = listener.heard(3, want=16)
        assert [hello.kind for hello in hellos] == ["Hello"] * 16
        assert {(hello.host, hello.port) for hello in hellos} == {(host, 3702) for host in own}
        assert len({hello.data for hello in hellos}) == 4, "copies are the same bytes"
        for hello in hellos:
            host = f"[{hello.host}]" if ":" in hello.host else hello.host
            assert hello.xaddrs == [device.xaddr(host)]
    # sane-airscan's own questions do not reach us on this machine; it listens for 2.5 s.
    reminders = listeners[1].heard(2.5, want=4)
    assert {reminder.data for reminder in reminders} == {hello.data for hello in hellos}
    assert listeners[0].heard(0.1) == [], "what is for this machine stays there"
    assert device.stop() < 1.5
    for listener in listeners:
        byes = listener.heard(1, want=16)
        assert [bye.kind for bye in byes] == ["Bye"] * 16
        assert {bye.host for bye in byes} == own
        assert byes[-1].at_s - byes[0].at_s < 1
        assert min(bye.numbers for bye in byes) > max(hello.numbers for hello in hellos)


def test_it_waits_for_an_interface_and_then_says_hello(lab: Lab, announce, agent):
    listener = agent(lab.cli)
    listener.listen(4, "lab0")
    lab.dev.run(["ip", "addr", "flush", "dev", "lab0"])
    lab.dev.run(["ip", "link", "set", "lab0", "down"])
    device = announce(lab.dev)
    assert device.addresses() == []
    lab.dev.run(["ip", "link", "set", "lab0", "up"])
    lab.dev.run(["ip", "addr", "add", "10.77.0.5/24", "brd", "+", "dev", "lab0"])
    hello = listener.hear("Hello", HELLO_WITHIN_S)
    assert hello.xaddrs == [device.xaddr("10.77.0.5")]
    (answer,) = listener.ask(probe(), to=GROUP4)
    assert answer.host == "10.77.0.5"


def test_a_new_interface_is_used(lab: Lab, announce, agent):
    device = announce(lab.dev)
    peer = ["peer", "name", "lab9", "netns", str(lab.cli.holder.pid)]
    lab.dev.run(["ip", "link", "add", "lab9", "type", "veth", *peer])
    for n, side in enumerate((lab.dev, lab.cli), start=1):
        side.run(["ip", "addr", "add", f"10.77.9.{n}/24", "brd", "+", "dev", "lab9"])
    listener = agent(lab.cli)
    listener.listen(4, "lab9")
    for side in (lab.cli, lab.dev):
        side.run(["ip", "link", "set", "lab9", "up"])
    assert listener.hear("Hello", HELLO_WITHIN_S).xaddrs == [device.xaddr("10.77.9.1")]
    (answer,) = listener.ask(probe(), to=GROUP4, interface="lab9")
    assert answer.xaddrs == [device.xaddr("10.77.9.1")]
    lab.dev.run(["ip", "link", "del", "lab9"])
    wait_until(lambda: "10.77.9.1" not in device.addresses(), HELLO_WITHIN_S, "removal")
    assert listener.ask(probe(), to=GROUP4)


def test_another_address_is_told_at_once_and_raises_the_version(lab: Lab, announce, agent):
    device = announce(lab.dev)
    listener = agent(lab.cli)
    (before,) = listener.ask(probe(), to=GROUP4)
    listener.listen(4, "lab0")
    lab.dev.run(["ip", "addr", "add", "10.77.0.7/24", "brd", "+", "dev", "lab0"])
    lab.dev.run(["ip", "addr", "del", "10.77.0.1/24", "dev", "lab0"])
    lab.dev.run(["ip", "addr", "replace", "10.77.0.7/24", "brd", "+", "dev", "lab0"])
    hello = listener.hear("Hello", HELLO_WITHIN_S, device.xaddr("10.77.0.7"))
    assert hello.xaddrs == [device.xaddr("10.77.0.7")]
    (answer,) = listener.ask(probe(), to=GROUP4)
    assert answer.host == "10.77.0.7"
    assert answer.xaddrs == [device.xaddr("10.77.0.7")]
    old, new = (
        a.message.getProbeResolveMatches()[0].getMetadataVersion() for a in (before, answer)
    )
    assert (old, new) == ("1", "2")


def test_an_address_that_goes_takes_only_its_own_answers_along(lab: Lab, announce, agent):
    device = announce(lab.dev)
    asker = agent(lab.cli)
    assert asker.ask(probe(), to=GROUP4)
    assert asker.ask(*(probe() for _ in range(8)), to=GROUP4, want=0) == []
    lab.dev.run(["ip", "addr", "del", "10.77.0.1/24", "dev", "lab0"])
    wait_until(lambda: "10.77.0.1" not in device.addresses(), HELLO_WITHIN_S, "removal")
    assert asker.ask(probe(), to=GROUP6)
    shown = lab.dev.run(["ip", "maddr", "show", "dev", "lab0"]).stdout
    assert "239.255.255.250" not in shown
    assert "ff02::c" in shown


def test_hello_when_the_link_is_back(lab: Lab, announce, agent):
    listener = agent(lab.cli)
    listener.listen(4, "lab0")
    device = announce(lab.dev)
    listener.hear("Hello", 1)
    listener.heard(2, want=3)
    lab.cli.run(["ip", "link", "set", "lab0", "down"])  # as if the cable were pulled
    wait_until(lambda: device.addresses() == [], HELLO_WITHIN_S, "end of the link")
    lab.cli.run(["ip", "link", "set", "lab0", "up"])
    assert listener.hear("Hello", HELLO_WITHIN_S).host == lab.dev.ipv4


def test_after_a_restart_instance_ids_are_higher_and_the_version_is_the_same(
    lab: Lab, announce, agent
):
    asker = agent(lab.cli)
    instances, versions = [], []
    for _ in range(2):
        device = announce(lab.dev, uuid=UUID)
        (answer,) = asker.ask(probe(), to=GROUP4)
        instances.append(answer.numbers[0])
        versions.append(answer.message.getProbeResolveMatches()[0].getMetadataVersion())
        device.kill()
    assert instances[1] > instances[0]
    assert versions == ["1", "1"]
