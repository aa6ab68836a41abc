# SPDX-License-Identifier: Apache-2.0
"""The status page in a real Chromium, which runs beside the daemon that it shows.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
    Chromium  store       └── eth0 ─ h3, or a machine that is very many hosts (lab/crowd.py)
"""

import http.client
import json
import os
import pathlib
import time

import pytest

from lab.browser import Browser
from lab.cluster import Cluster
from lab.crowd import Crowd, public
from lab.flanneld import ctl
from lab.overlay import key_of, subnet
from lab.shell import wait_until

PORT = 8088
URL = f"http://127.0.0.1:{PORT}/"
FLAG = f"--status-addr={PORT}"
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
# Where the screenshots of docs/status-page.md are to be kept; empty: nowhere.
SHOTS = os.environ.get("FLANNEL_SCREENSHOTS")


@pytest.fixture
def browse(lab):
    """Opens the page of a host in a browser of its own."""
    opened = []

    def browse(host, url=URL):
        opened.append(Browser(host.ns, host.folder / f"browser{len(opened)}"))
        opened[-1].open(url)
        return opened[-1]

    yield browse
    for browser in opened:
        browser.close()


def is_live(browser):
    browser.wait("document.getElementById('link').textContent === 'live'")
    return browser


def wait_rows(browser, state, number, within=60):
    rows = f"document.querySelectorAll('#hosts tbody tr[data-state={state}]').length"
    browser.wait(f"{rows} === {number}", within)


def wait_text(browser, selector, words):
    wait_until(lambda: words in browser.text(selector), lambda: f"{words} in {browser.text(selector)}")


def wait_texts(browser, selector, texts):
    wait_until(lambda: browser.texts(selector) == texts, lambda: f"{texts}: {browser.texts(selector)}")


def keep(browser, name, width=1280, height=1000):
    if SHOTS:
        time.sleep(45)  # so that the charts have lines
        browser.screenshot(pathlib.Path(SHOTS) / name, width, height)


class Asked:
    """An answer of the page's server. A stream stays open."""

    def __init__(self, host, path="/", method="GET", headers=None):
        self.link = host.ns.socket()
        self.link.settimeout(60)
        self.link.connect(("127.0.0.1", PORT))
        client = http.client.HTTPConnection("127.0.0.1", PORT)
        client.sock = self.link
        client.request(method, path, headers=headers or {})
        self.reply = client.getresponse()
        self.status, self.headers = self.reply.status, self.reply.headers
        self.body = None
        if self.headers["Content-Type"] != "text/event-stream":
            self.body = self.reply.read().decode()
            self.link.close()

    def json(self):
        return json.loads(self.body)

    def event(self):
        """The next event of the stream."""
        while True:
            line = self.reply.readline().decode()
            if line.startswith("data: "):
                return json.loads(line[6:])


def processor_share(host, seconds=10):
    """The part of a core that the daemon used over some seconds."""
    threads = pathlib.Path(f"/proc/{host.daemon.pid()}/task")
    used = lambda: sum(int(one.read_text().split()[0]) for one in threads.glob("*/schedstat")) / 1e9  # noqa: E731
    before, began = used(), time.monotonic()
    time.sleep(seconds)
    return (used() - before) / (time.monotonic() - began)


def streams(host, number):
    return [Asked(host, "/events") for _ in range(number)]


def test_the_page_shows_what_the_daemon_knows(lab, browse):
    one, *_ = Cluster(lab, "etcd", hosts=3, flags=[FLAG]).start(containers=True).hosts
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 2)
    peers, status = Asked(one, "/v1/peers").json()["peers"], Asked(one, "/v1/status").json()
    assert [peer["subnets"] for peer in peers] == [peer["subnets"] for peer in json.loads(ctl(one, "peers", "--json"))["peers"]]

    def shown():
        cells = browser.run("[...document.querySelectorAll('#hosts tbody tr')].map(row => [...row.cells].map(cell => cell.innerText.trim()))")
        return [[*row[:5], row[7]] for row in cells]

    def known():
        return [
            [peer["state"], peer["subnets"][0], peer["public_ip"], peer["node_id"][:8], peer["backend"], str(peer["path_mtu"])]
            for peer in Asked(one, "/v1/peers").json()["peers"]
        ]

    wait_until(lambda: shown() == known(), lambda: f"{known()}: {shown()}")  # the MTU of a path is found step by step
    own = dict(zip(browser.texts("#own dt"), browser.texts("#own dd")))
    assert own["Lease"] == f"{status['lease']['subnet']}, active, ends in 23 h"
    assert own["Address"] == one.address and own["Underlay"] == "eth0, MTU 1500" and own["Peers"] == "2 up"
    assert own["Store"].startswith(f"{status['store']['name']}, connected for ")
    wait_text(browser, "#problems-title + p", "none")
    assert Asked(one, "/v1/status").json()["problems"] == []
    wait_text(browser, "#map-text", "2 other hosts: 2 ok")
    wait_texts(browser, "#matrix tbody td", ["yes"] * 4)
    browser.wait("document.getElementById('load-text').textContent.includes('Throughput of flannel.1: sent ')")
    browser.wait("/sent [0-9.]+ k?bit.s/.test(document.getElementById('load-text').textContent)")
    assert browser.complaints() == []
    assert {(method, url.removeprefix(URL)) for method, url in browser.asked()} == {
        ("GET", path) for path in ("", "page.css", "draw.js", "matrix.js", "page.js", "events")
    }, "it loads nothing from outside, and changes nothing"
    keep(browser, "status-page-3.png")


def test_a_host_that_dies_turns_red(lab, browse):
    one, two, three = Cluster(lab, "sqlite", hosts=3, flags=[FLAG]).start().hosts
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 2)
    three.daemon.kill9()
    three.plug(False)
    wait_rows(browser, "unreachable", 1)  # 4 s on a machine with nothing else to do
    wait_text(browser, "tr[data-state=unreachable]", "the host does not answer")
    assert subnet(three) in browser.text("tr[data-state=unreachable]")
    browser.wait("document.querySelectorAll('#map path.host.bad[data-state=unreachable]').length === 1")
    assert browser.run("getComputedStyle(document.querySelector('#map path.bad')).fill") == "rgb(207, 34, 46)"
    browser.prefers("dark")
    assert browser.run("getComputedStyle(document.querySelector('#map path.bad')).fill") == "rgb(255, 123, 114)"
    cells = lambda: sorted(browser.texts("#matrix tbody td"))  # noqa: E731
    wait_until(lambda: cells() == ["no", "no", "yes", "yes"], lambda: str(cells()))
    said = "document.getElementById('said').textContent"
    browser.wait(f"{said}.includes('unreachable')")  # a screen reader says it
    browser.wait("document.querySelectorAll('#problems li').length === 1")

    def is_shown():
        problem, shown = one.daemon.status()["problems"][0], browser.text("#problems li")
        return problem["text"] in shown and f"Remedy: {problem['remedy']}" in shown and problem["remedy"]

    wait_until(is_shown, lambda: f"{one.daemon.status()['problems']}: {browser.text('#problems li')}")
    keep(browser, "status-page-dark.png")
    three.plug(True)
    three.daemon.start()
    wait_rows(browser, "ok", 2)
    browser.wait("document.querySelectorAll('#problems li').length === 0")


def drop_from(host, peer):
    """Drops what the host gets from the peer by vxlan: one way of the two is broken."""
    host.ns.run("nft", "-f", "-", input=f"""table netdev block {{
  chain ingress {{
    type filter hook ingress device eth0 priority 0;
    ip saddr {peer.address} udp dport 8472 drop
  }}
}}""")


def matrix(browser):
    """The tone of each way, by the addresses of the two hosts; this host is "this host"."""
    heads = browser.texts("#matrix thead th")
    tones = browser.run("[...document.querySelectorAll('#matrix tbody tr')].map(row => [...row.querySelectorAll('td')].map(cell => cell.className))")
    titles = [title.removesuffix(" to") for title in browser.texts("#matrix tbody th")]
    return {(one, other): tone for one, row in zip(titles, tones) for other, tone in zip(heads, row) if one != other}


@pytest.mark.parametrize("store", ["etcd", "consul", "sqlite"])
def test_a_way_between_two_other_hosts_that_breaks_is_red_on_the_page_of_a_third(lab, browse, store):
    cluster = Cluster(lab, store, hosts=3, flags=[FLAG, "--publish-health"]).start()
    one, two, three = cluster.hosts
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 2)
    bad = lambda: sorted(way for way, tone in matrix(browser).items() if tone != "good")  # noqa: E731
    wait_until(lambda: len(matrix(browser)) == 6 and bad() == [], lambda: str(matrix(browser)))
    wait_text(browser, "#between", "no way is known to lose packets")
    drop_from(three, two)
    wait_until(lambda: bad() == [(two.address, three.address)], lambda: str(bad()), within=120)
    wait_text(browser, "#between", f"1 way: {subnet(two)} to {subnet(three)}")
    wait_texts(browser, "#hosts tbody td:first-child", ["ok", "ok"])  # this host reaches both
    said = lambda: ctl(one, "status", check=False)  # noqa: E731
    either = (f"{subnet(three)}: unreachable {subnet(two)}", f"{subnet(two)}: one-way {subnet(three)}")
    wait_until(lambda: any(map(said().__contains__, either)), said)
    three.ns.run("nft", "delete", "table", "netdev", "block")
    wait_until(lambda: bad() == [], lambda: str(bad()), within=120)
    assert browser.complaints() == []
    assert sorted(cluster.store.lease_values()) == sorted(key_of(host) for host in cluster.hosts), "rows are beside the leases"


def test_a_row_that_a_stranger_wrote_changes_nothing_and_is_shown_as_text(lab, browse):
    """Hostile rows: of another node, without an end, and under the key of this host."""
    cluster = Cluster(lab, "etcd", flags=[FLAG, "--publish-health"]).start()
    one, two = cluster.hosts
    browser = is_live(browse(one))
    wait_until(lambda: set(matrix(browser).values()) == {"good"}, lambda: str(matrix(browser)))
    row = {"Version": 1, "NodeID": "f" * 32, "Serial": 1, "OK": 0, "Peers": {"unreachable": [subnet(one), HOSTILE], HOSTILE: [HOSTILE]}}
    for host in cluster.hosts:
        cluster.store.etcdctl("put", "--", f"/coreos.com/network-health/subnets/{key_of(host)}", json.dumps(row))
    cluster.store.etcdctl("put", "--", f"/coreos.com/network-health/subnets/{HOSTILE}", HOSTILE)
    browser.wait("document.getElementById('between').textContent.includes('has no row')")
    wait_texts(browser, "#hosts tbody td:first-child", ["ok"])
    assert browser.run("document.querySelectorAll('img, main script').length") == 0
    browser.wait("!document.getElementById('between').textContent.includes('has no row')", 120)  # it is written again
    assert browser.complaints() == []


def test_the_page_says_that_it_lost_its_daemon_and_comes_back(lab, browse):
    one, _ = Cluster(lab, "sqlite", flags=[FLAG]).start().hosts
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 1)
    one.daemon.kill9()
    browser.wait("document.getElementById('link').className === 'away'")
    wait_text(browser, "#link", "what is shown may be old")
    one.daemon.start()
    is_live(browser)
    wait_rows(browser, "ok", 1)


def test_hostile_texts_of_the_store_are_shown_as_text(lab, browse):
    cluster = Cluster(lab, "etcd", hosts=1, flags=[FLAG]).start()
    (one,) = cluster.hosts
    cluster.store.put_lease("10.5.70.0-24", json.dumps({"PublicIP": HOSTILE}))
    cluster.store.put_lease("10.5.71.0-24", json.dumps({"PublicIP": "192.0.2.71", "BackendType": HOSTILE}))
    cluster.store.put_lease(f"{HOSTILE}\n\ndata: {{}}".replace("/", "|"), "{}")
    browser = is_live(browse(one))
    browser.wait("document.querySelectorAll('#unused li').length >= 2")
    wait_text(browser, "body", "<img src=x onerror=")  # it is on the page, as text
    assert browser.run("document.querySelectorAll('img, main script').length") == 0
    assert browser.run("document.title").startswith("flannel ") and browser.complaints() == []


def test_hosts_are_sorted_and_filtered_by_the_keyboard_alone(lab, browse):
    one, two, three = Cluster(lab, "sqlite", hosts=3, flags=[FLAG]).start().hosts
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 2)
    three.plug(False)
    wait_rows(browser, "unreachable", 1)
    focus = "(document.activeElement.innerText || document.activeElement.id)"
    browser.press("Tab")
    assert browser.run(focus) == "Skip to the table of hosts"
    browser.press("Enter")
    browser.wait("document.activeElement.id === 'hosts-title'")
    for _ in range(2):
        browser.press("Tab")
    assert "unreachable" in browser.run(focus), "after the button for all hosts the worst state comes"
    browser.press("Space")
    assert browser.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    wait_texts(browser, "#hosts tbody tr td:nth-child(3)", [three.address])
    wait_texts(browser, "#count", ["1 of 2 hosts"])
    browser.run("document.querySelector('#states button').focus()")
    browser.press("Enter")
    browser.run("document.getElementById('words').focus()")
    browser.press(two.address)
    wait_texts(browser, "#hosts tbody tr td:nth-child(3)", [two.address])
    browser.run("document.getElementById('words').value = ''; document.getElementById('words').dispatchEvent(new Event('input'))")
    browser.run("document.querySelectorAll('#hosts thead button')[1].focus()")
    order = "(document.querySelector('#hosts th[aria-sort]') || document.body).getAttribute('aria-sort')"
    seen = []
    for direction in ("ascending", "descending"):
        browser.press("Enter")
        browser.wait(f"{order} === '{direction}'")
        seen.append(browser.texts("#hosts tbody tr td:nth-child(2)"))
    assert sorted(seen[0]) == sorted([subnet(two), subnet(three)]) and seen[1] == seen[0][::-1]
    offered = browser.accessible()
    assert ("heading", "Problems") in offered and ("columnheader", "Public address") in offered
    assert any(role == "image" and name.startswith("2 other hosts: 1 unreachable") for role, name in offered)


def test_only_reading_by_an_address_is_answered(lab):
    one, _ = Cluster(lab, "sqlite", flags=[FLAG]).start().hosts
    for path in ("/", "/page.js", "/v1/status", "/events"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert Asked(one, path, method).status == 405
        assert Asked(one, path, "HEAD").status == 200
        assert Asked(one, path, headers={"Host": "evil.example:8088"}).status == 403
        answer = Asked(one, path, "HEAD", {"Host": "localhost"})
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Access-Control-Allow-Origin"] is None
    for path in ("/v1/options", "/v1/ping", "/v1/log-level", "/metrics", "/x"):
        assert Asked(one, path).status == 404
    assert "restricts it" not in one.daemon.log()


def test_with_a_token_data_need_it_and_it_never_leaves_the_address_bar(lab, browse):
    cluster = Cluster(lab, "sqlite", hosts=1)
    (one,) = cluster.hosts
    token = "0123456789abcdef0123456789abcdef"
    file = one.folder / "token"
    file.write_text(token + "\n")
    one.daemon.flags += [f"--status-addr=0.0.0.0:{PORT}", f"--status-token-file={file}"]
    cluster.start()
    for path in ("/v1/status", "/v1/peers", "/events"):
        assert Asked(one, path).status == 401
        assert Asked(one, path, headers={"Authorization": f"Bearer {token[::-1]}"}).status == 401
    assert Asked(one, "/v1/status", headers={"Authorization": f"Bearer {token}", "Host": "h1.example"}).status == 200
    browser = browse(one)
    browser.wait("document.getElementById('link').textContent.includes('needs its token')")
    browser.run(f"location.hash = 'token={token}'")
    is_live(browser)
    assert token not in browser.run("location.href")
    assert not any(token in url for _, url in browser.asked())
    one.daemon.stop()
    file.write_text("short\n")
    one.daemon.start().wait_ready()
    one.daemon.wait_log("no status page")
    one.daemon.wait_log("has no token")
    assert token not in one.daemon.log() and token not in ctl(one, "report", "--stdout", check=False)


def test_the_ninth_stream_is_refused_and_a_closed_one_makes_room(lab):
    one, _ = Cluster(lab, "sqlite", flags=[FLAG]).start().hosts
    opened = streams(one, 8)
    assert [stream.event()["whole"] for stream in opened] == [True] * 8
    assert Asked(one, "/events").status == 503
    for stream in (opened.pop(), opened.pop()):
        stream.reply.close()
        stream.link.close()
    wait_until(lambda: Asked(one, "/events").status == 200, "room for a stream")


def test_many_hosts_fit_the_page_and_readers_that_do_not_read_hold_nothing_up(lab, browse):
    """With 1,000 hosts, some of which die: the page shows it, and the loop stays quick."""
    cluster = Cluster(lab, "etcd", hosts=1, flags=[FLAG])
    cluster.config |= Crowd.CONFIG
    (one,) = cluster.hosts
    crowd = Crowd(lab, cluster, one, 1000)
    cluster.start()
    crowd.begin_to_ask()
    ok = lambda: ctl(one, "peers", "--json").count('"state": "ok",\n      "rtt_us"')  # noqa: E731
    wait_until(lambda: ok() == 1000, lambda: f"{ok()} hosts are ok", within=180, every=0.5)
    closed = processor_share(one)
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 1000, within=180)
    # What others do on the machine makes the same work a little longer, or shorter.
    assert any(processor_share(one) - closed < 0.01 for _ in range(4))
    idle = streams(one, 6)
    crowd.mute = {public(number) for number in range(40, 60)}
    for _ in range(20):
        assert one.daemon.health("/healthz")[0] == 200, "it is red once the loop stands still for 5 s"
    wait_until(lambda: browser.run("document.querySelectorAll('#map path.bad').length") > 0, "a red square", within=180)
    assert len(Asked(one, "/v1/peers").json()["peers"]) == 1000
    browser.wait("document.querySelectorAll('#map path').length === 1000")
    assert browser.run("document.querySelectorAll('#matrix td').length") == 0, "a matrix of 1,000 columns helps nobody"
    browser.wait("/^This host reaches 9\\d\\d of 1000 hosts, and hears /.test(document.querySelector('#matrix-text').innerText)")
    assert browser.complaints() == []
    for stream in idle:
        stream.link.close()
    keep(browser, "status-page-1000.png")


def test_fifty_hosts_are_a_ring_with_a_matrix(lab, browse):
    cluster = Cluster(lab, "etcd", hosts=1, flags=[FLAG])
    cluster.config |= Crowd.CONFIG
    (one,) = cluster.hosts
    crowd = Crowd(lab, cluster, one, 49)
    cluster.start()
    crowd.begin_to_ask(range(20, 23), every=3)
    browser = is_live(browse(one))
    wait_rows(browser, "ok", 49)
    crowd.mute = {public(number) for number in (20, 21, 22, 40)}
    wait_rows(browser, "unreachable", 1)
    wait_rows(browser, "one-way", 3)

    def shown():
        """Bad links on the map; hosts that this one does not reach, and that it does not hear."""
        there, back = (browser.texts(f"#matrix tbody tr:{row}-child td").count("no") for row in ("first", "last"))
        return browser.run("document.querySelectorAll('#map line.link.bad').length"), there, back

    wait_until(lambda: shown() == (4, 4, 1), lambda: str(shown()))  # those that ask may be late
    assert len(browser.texts("#matrix thead th")) == 49
    keep(browser, "status-page-50.png")
