// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/probe_filter.h"

#include <cstdint>

#include "net/bytes.h"
#include "net/ip_header.h"
#include "probe/packet.h"

namespace flannel {
namespace {

constexpr std::uint8_t kToRefusal = 0xFF;  // a jump that is filled in at the end

// Offsets in the headers.
constexpr std::uint32_t kIp4Protocol = 9, kIp4Fragment = 6, kIp4Destination = 16;
constexpr std::uint32_t kIp6Protocol = 6, kIp6Destination = 24;
constexpr std::uint32_t kUdpDestination = 2, kIcmpId = 4;
constexpr std::uint32_t kFragmentOffset = 0x1FFF;

sock_filter statement(unsigned code, std::uint32_t k) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}

// Goes on if the loaded value is `k`, and else refuses the packet.
sock_filter must_be(std::uint32_t k) {
  return {BPF_JMP | BPF_JEQ | BPF_K, 0, kToRefusal, k};
}

// Loads a value of the transport header. Its offset is X + `at` in IPv4, and `at` in IPv6.
sock_filter load(Family family, unsigned width, std::uint32_t at) {
  if (family == Family::v4) return statement(BPF_LD | width | BPF_IND, at);
  return statement(BPF_LD | width | BPF_ABS, static_cast<std::uint32_t>(kIp6HeaderLength) + at);
}

void append_addresses(const IpAddress& own, std::vector<sock_filter>& program) {
  const std::uint32_t at = own.is_v4() ? kIp4Destination : kIp6Destination;
  const auto octets = own.octets();
  for (std::uint32_t i = 0; i < octets.size(); i += 4) {
    program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, at + i));
    program.push_back(must_be(load_be32(octets, i)));
  }
}

}  // namespace

std::vector<sock_filter> probe_filter(const IpAddress& own) {
  const Family family = own.family;
  std::vector<sock_filter> program;
  append_addresses(own, program);
  if (family == Family::v4) {
    program.push_back(statement(BPF_LD | BPF_H | BPF_ABS, kIp4Fragment));
    program.push_back({BPF_JMP | BPF_JSET | BPF_K, kToRefusal, 0, kFragmentOffset});
    program.push_back(statement(BPF_LDX | BPF_B | BPF_MSH, 0));  // the length of the IP header
  }
  program.push_back(
      statement(BPF_LD | BPF_B | BPF_ABS, family == Family::v4 ? kIp4Protocol : kIp6Protocol));
  program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 3, kProtocolUdp});
  program.push_back(load(family, BPF_H, kUdpDestination));
  program.push_back(must_be(kProbePort));
  program.push_back(statement(BPF_RET | BPF_K, 0xFFFF));
  program.push_back(must_be(family == Family::v4 ? kProtocolIcmp : kProtocolIcmp6));
  program.push_back(load(family, BPF_B, 0));
  program.push_back(must_be(family == Family::v4 ? 0 : 129));  // RFC 792, RFC 4443
  program.push_back(load(family, BPF_H, kIcmpId));
  program.push_back(must_be(kEchoId));
  program.push_back(statement(BPF_RET | BPF_K, 0xFFFF));
  program.push_back(statement(BPF_RET | BPF_K, 0));
  for (std::size_t i = 0; i < program.size(); ++i) {
    const auto distance = static_cast<std::uint8_t>(program.size() - 2 - i);
    if (program[i].jt == kToRefusal) program[i].jt = distance;
    if (program[i].jf == kToRefusal) program[i].jf = distance;
  }
  return program;
}

std::vector<sock_filter> deaf_filter() {
  return {statement(BPF_RET | BPF_K, 0)};
}

}  // namespace flannel
