// SPDX-License-Identifier: Apache-2.0
// A host that forwards packets of either family between two namespaces. In tests of IPv6 the
// addresses are those that in_family.h has for these:
//
//   inside 10.5.1.2 ── 10.5.1.1 HOST 192.0.2.1 ── 192.0.2.9 outside (and 10.5.2.2, a peer's
//                                                 container, and the multicast group 239.1.1.1)
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <string>

#include "support/child_process.h"
#include "support/fresh_netns.h"
#include "support/in_family.h"
#include "support/temporary_folder.h"

namespace flannel {

// A namespace that a process holds; addressed by its pid.
class Neighbour {
 public:
  explicit Neighbour(const std::string& setup) {
    pid_ = shell("unshare -n sleep 600 >/dev/null 2>&1 & echo $!");
    pid_.pop_back();
    // It is in the new namespace as soon as it is `sleep`.
    shell("until [ \"$(cat /proc/" + pid_ + "/comm)\" = sleep ]; do :; done");
    shell(setup + " " + pid_);
  }
  ~Neighbour() { shell("kill " + pid_); }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;

  std::string in(const std::string& command) const {
    return shell("nsenter -n -t " + pid_ + " sh -ec '" + command + "'");
  }
  const std::string& pid() const { return pid_; }

 private:
  std::string pid_;
};

class ForwardingHostTest : public ::testing::Test {
 protected:
  virtual Family family() const = 0;
  std::string text(const std::string& v4) const { return in_family(family(), v4); }
  IpPrefix net(const std::string& v4) const { return IpPrefix::parse(text(v4)).value(); }

  void SetUp() override {
    if (!netns.entered()) {
      GTEST_SKIP() << "SKIPPED, NOTHING WAS TESTED: no network namespace (" << netns.why_not()
                   << "); run as root";
    }
    // Addresses of IPv6 are used at once, without a search for another owner.
    shell("sysctl -qw net.ipv6.conf.default.accept_dad=0");
    const std::string begin = "sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ";
    inside.emplace("ip link add to-inside type veth peer name eth0 netns");
    outside.emplace("ip link add to-outside type veth peer name eth0 netns");
    const bool v4 = family() == Family::v4;
    shell(text("ip link set lo up; ip address add 10.5.1.1/24 dev to-inside; "
               "ip address add 192.0.2.1/24 dev to-outside; ip link set to-inside up; "
               "ip link set to-outside up; ip route add 10.5.2.0/24 via 192.0.2.9; "
               "ip route add 239.1.1.1 dev to-outside; sysctl -qw ") +
          (v4 ? "net.ipv4.ip_forward=1" : "net.ipv6.conf.all.forwarding=1"));
    inside->in(begin + text("ip link set eth0 up; ip address add 10.5.1.2/24 dev eth0; "
                            "ip route add default via 10.5.1.1"));
    outside->in(begin + text("ip link set lo up; ip link set eth0 up; "
                             "ip address add 192.0.2.9/24 dev eth0; "
                             "ip address add 10.5.2.2/32 dev lo; "
                             "ip address add 198.51.100.1/32 dev lo; "
                             "ip route add 10.5.1.0/24 via 192.0.2.1"));
    shell(text("ip route add 198.51.100.0/24 via 192.0.2.9"));
  }

  // The source that `receiver` sees of the datagram that `send` sends to `to`; "nothing" if none
  // comes.
  std::string seen(const Neighbour& receiver, const std::string& send,
                   const std::string& to) const {
    std::ofstream(folder.path() + "/listen.py") << R"(
import socket, sys
to, own, v6 = sys.argv[1], sys.argv[2], ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((to, 9000))
if to.startswith("239."):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(to) + socket.inet_aton(own))
if to.startswith("ff"):
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, to) +
                 socket.if_nametoindex("eth0").to_bytes(4, sys.byteorder))
print("ready", flush=True)
s.settimeout(1.5)
try:
    print(s.recvfrom(100)[1][0])
except TimeoutError:
    print("nothing")
)";
    const std::string pipe = folder.path() + "/pipe";
    return shell("mkfifo " + pipe + "; nsenter -n -t " + receiver.pid() + " /usr/bin/python3 " +
                 folder.path() + "/listen.py " + to + text(" 192.0.2.9") + " >" + pipe +
                 " & exec 3<" + pipe + "; rm " + pipe + "; read ready <&3; " + send +
                 "; read address <&3; echo $address; wait");
  }

  // A datagram from the container of this host.
  std::string seen_outside(const std::string& to) const {
    return seen(*outside, "nsenter -n -t " + inside->pid() + " " + datagram("", text(to)),
                text(to));
  }
  // One from this host, from an address of its own.
  std::string seen_outside_from_host(const std::string& from, const std::string& to) const {
    return seen(*outside, datagram(text(from), text(to)), text(to));
  }
  std::string seen_inside(const std::string& from) const {
    const std::string to = text("10.5.1.2");
    return seen(*inside, "nsenter -n -t " + outside->pid() + " " + datagram(text(from), to), to);
  }

  std::string datagram(const std::string& from, const std::string& to) const {
    std::ofstream(folder.path() + "/send.py") << R"(
import socket, struct, sys
v6 = ":" in sys.argv[2]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 0))
# Else a datagram to a group leaves by the device that has the source's address.
if sys.argv[2].startswith("239."):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                 struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("to-outside")))
if sys.argv[2].startswith("ff"):
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("to-outside"))
s.sendto(b"x", (sys.argv[2], 9000))
)";
    return "/usr/bin/python3 " + folder.path() + "/send.py \"" + from + "\" " + to;
  }

  TemporaryFolder folder;
  FreshNetns netns;
  std::optional<Neighbour> inside, outside;
};

}  // namespace flannel
