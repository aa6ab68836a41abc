// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "net/address.h"

namespace flannel::trace {

enum class Hook { prerouting, forward, postrouting };

// The first packet of a connection that this host forwards.
struct Packet {
  IpAddress source, destination;           // of one family
  std::string in;                          // the device by which it comes in
  std::string out;                         // the one by which it leaves; unknown at prerouting
  std::string protocol = "icmp";           // "icmp", "ipv6-icmp", "tcp" or "udp"
  std::optional<std::uint16_t> port = {};  // the destination port of TCP or UDP; nullopt: any

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
