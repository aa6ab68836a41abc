// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"

namespace flannel::trace {

// In the order in which a packet passes them. The bridge has hooks of its own for the frames that
// come in and leave by its ports; ingress and egress are those of a single device.
enum class Hook {
  ingress,
  bridge_prerouting,
  bridge_input,
  prerouting,
  input,
  forward,
  output,
  postrouting,
  bridge_output,
  bridge_postrouting,
  egress
};

// What this host does with a packet: a process of it, or the kernel, sends or receives the
// datagrams that carry the overlay.
enum class Course { forwarded, sent, received };

// False: packets of this course do not pass the hook.
constexpr bool passes(Hook hook, Course course) {
  switch (hook) {
    case Hook::ingress:
    case Hook::prerouting:
      return course != Course::sent;
    case Hook::postrouting:
    case Hook::egress:
      return course != Course::received;
    case Hook::input:
      return course == Course::received;
    case Hook::output:
      return course == Course::sent;
    default:
      return course == Course::forwarded;
  }
}

// The first packet of a connection, unless `is_new` is false.
struct Packet {
  IpAddress source, destination;  // of one family
  std::string in;                 // the device by which it comes in
  std::string out;                // the one by which it leaves; unknown at prerouting
  std::string protocol = "icmp";  // "icmp", "ipv6-icmp", "tcp", "udp", "ipencap" (IPIP) or "esp"
  std::optional<std::uint16_t> port = {};  // the destination port of TCP or UDP; nullopt: any
  Course course = Course::forwarded;
  bool is_new = true;      // false: connection tracking may know its connection already
  bool is_answer = false;  // connection tracking knows the packet that it answers
  // If `in` or `out` is a bridge: the ports of it by which the frame may come in or leave. Empty:
  // it is no bridge.
  std::vector<std::string> in_ports = {}, out_ports = {};
  std::string in_bridge = {}, out_bridge = {};  // only for rules of the family bridge

  Family family() const { return source.family; }
};

// Whether a rule matches a packet. A rule may ask what this program does not know of the packet,
// such as its mark, or in words that it does not know.
enum class Answer { no, yes, unknown };

constexpr Answer answer_of(bool yes) {
  return yes ? Answer::yes : Answer::no;
}

// True if both are, unknown if one may be.
constexpr Answer both(Answer one, Answer other) {
  if (one == Answer::no || other == Answer::no) return Answer::no;
  return one == Answer::yes && other == Answer::yes ? Answer::yes : Answer::unknown;
}

constexpr Answer opposite(Answer answer) {
  if (answer == Answer::unknown) return answer;
  return answer == Answer::yes ? Answer::no : Answer::yes;
}

}  // namespace flannel::trace
