# SPDX-License-Identifier: Apache-2.0
"""The status page of a daemon with several networks, in a browser."""

from lab.networks import Networks, env

from test_page import FLAG, URL, Asked, browse, is_live, wait_rows, wait_text  # noqa: F401


def test_a_page_shows_any_of_several_networks(lab, browse):
    networks = Networks(lab, "sqlite", {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}}, flags=[FLAG]).start(
        containers=False
    )
    one = networks.hosts[0]
    mine = {name: env(one, name)["FLANNEL_SUBNET"].replace(".1/24", ".0/24") for name in networks.names}
    browser = is_live(browse(one))
    wait_text(browser, "#own-subnet", mine["blue"])
    assert browser.texts("#network option") == ["blue", "green"]
    wait_rows(browser, "ok", 1)
    browser.run("at('network').value = 'green'; at('network').dispatchEvent(new Event('change'))")
    wait_text(browser, "#own-subnet", mine["green"])
    is_live(browser)
    wait_rows(browser, "ok", 1)
    green = is_live(browse(one, URL + "?network=green"))
    wait_text(green, "#own-subnet", mine["green"])
    assert Asked(one, "/v1/status?network=green").json()["backend"] == "host-gw"
    assert Asked(one, "/v1/status").json()["backend"] == "vxlan"
    for path in ("/v1/status", "/v1/peers", "/events"):
        assert Asked(one, path + "?network=red").status == 404


def test_a_page_that_was_open_before_the_first_network_shows_it(lab, browse):
    networks = Networks(lab, "sqlite", {"blue": {"Type": "vxlan"}}, follow=True, flags=[FLAG])
    for host in networks.hosts:
        host.daemon.start().wait_ready()
    one = networks.hosts[0]
    browser = is_live(browse(one))
    networks.set_config("blue")
    networks.wait_leases("blue")
    wait_text(browser, "#own-subnet", env(one, "blue")["FLANNEL_SUBNET"].replace(".1/24", ".0/24"))
    is_live(browser)
    wait_rows(browser, "ok", 1)
