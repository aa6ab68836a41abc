// SPDX-License-Identifier: Apache-2.0
#include "kernel/monitor/monitor_filter.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstddef>

#include "kernel/netlink/rtnetlink.h"
#include "net/socket_address.h"
#include "plan/net_state.h"

namespace flannel {
namespace {

// Loads use network byte order; netlink writes host byte order.
class Program {
 public:
  static constexpr std::uint32_t kAll = 0xffffffff;

  void load_byte(std::size_t at) { add(BPF_LD | BPF_B | BPF_ABS, at); }
  void load_half(std::size_t at) { add(BPF_LD | BPF_H | BPF_ABS, at); }
  void load_word(std::size_t at) { add(BPF_LD | BPF_W | BPF_ABS, at); }
  void mask(std::uint32_t bits) { add(BPF_ALU | BPF_AND | BPF_K, bits); }
  void answer(bool take) { add(BPF_RET | BPF_K, take ? kAll : 0); }

  // Runs `body` if the loaded value equals `value`.
  template <typename Body>
  void if_equal(std::uint32_t value, Body body) {
    branch(BPF_JEQ, value, body);
  }
  // Runs `body` if the loaded value has one of the bits of `value`.
  template <typename Body>
  void if_any_bit(std::uint32_t value, Body body) {
    branch(BPF_JSET, value, body);
  }

  Result<void> attach(const Fd& socket) {
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
      return os_error("netlink: filter notifications");
    }
    return {};
  }

 private:
  void add(int code, std::size_t k) {
    code_.push_back({static_cast<std::uint16_t>(code), 0, 0, static_cast<std::uint32_t>(k)});
  }
  template <typename Body>
  void branch(int kind, std::uint32_t value, Body body) {
    add(BPF_JMP | kind | BPF_K, value);
    const std::size_t jump = code_.size() - 1;
    body();
    code_[jump].jf = static_cast<std::uint8_t>(code_.size() - 1 - jump);
  }

  std::vector<sock_filter> code_;
};

constexpr std::size_t kType = offsetof(nlmsghdr, nlmsg_type);
constexpr std::size_t kFlags = offsetof(nlmsghdr, nlmsg_flags);
constexpr std::size_t kPort = offsetof(nlmsghdr, nlmsg_pid);
constexpr std::size_t kPayload = sizeof(nlmsghdr);

// The kernel adds and removes these routes together with the host's addresses. Those of IPv6 to
// link-local addresses come with each device.
void take_if_the_kernels_own(Program& program) {
  program.load_byte(kPayload + offsetof(rtmsg, rtm_family));
  program.if_equal(AF_INET, [&] {
    program.load_byte(kPayload + offsetof(rtmsg, rtm_table));
    program.if_equal(RT_TABLE_MAIN, [&] {
      program.load_byte(kPayload + offsetof(rtmsg, rtm_protocol));
      program.if_equal(RTPROT_KERNEL, [&] { program.answer(true); });
    });
  });
}

// The kernel writes a route's table first and its destination second.
constexpr std::size_t kDestination = kPayload + sizeof(rtmsg) + NLA_HDRLEN + sizeof(std::uint32_t);

// Compares the destination from its word number `word` on.
void take_if_equal(Program& program, const IpPrefix& network, std::size_t word) {
  const std::size_t compared = 32 * word;
  if (compared >= network.bits) return program.answer(true);
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8 | network.base.bytes[4 * word + i];
  const std::size_t bits = network.bits - compared;
  program.load_word(kDestination + NLA_HDRLEN + 4 * word);
  if (bits < 32) program.mask(Program::kAll << (32 - bits));
  program.if_equal(value, [&] { take_if_equal(program, network, word + 1); });
}

void take_if_inside(Program& program, const IpPrefix& network) {
  program.load_byte(kPayload + offsetof(rtmsg, rtm_family));
  program.if_equal(socket_family(network.family()), [&] {
    program.load_half(kDestination + offsetof(nlattr, nla_type));
    program.if_equal(htons(RTA_DST), [&] { take_if_equal(program, network, 0); });
  });
}

void take_if_default(Program& program) {
  program.load_byte(kPayload + offsetof(rtmsg, rtm_dst_len));
  program.if_equal(0, [&] { program.answer(true); });
}

// Each device of a container gets a link-local IPv6 address, and we use none.
void drop_if_link_local(Program& program) {
  program.load_byte(kPayload + offsetof(ifaddrmsg, ifa_family));
  program.if_equal(AF_INET6, [&] {
    program.load_byte(kPayload + offsetof(ifaddrmsg, ifa_scope));
    program.if_equal(RT_SCOPE_LINK, [&] { program.answer(false); });
  });
}

void take_if_ours_or_replacing(Program& program, std::size_t protocol) {
  program.load_byte(kPayload + protocol);
  program.if_equal(kRouteProtocol, [&] { program.answer(true); });
  program.load_half(kFlags);
  program.if_any_bit(htons(NLM_F_REPLACE), [&] { program.answer(true); });
  program.answer(false);
}

}  // namespace

Result<void> filter_notifications(const Fd& socket, std::uint32_t own_port,
                                  const std::vector<int>& links,
                                  const std::vector<IpPrefix>& networks) {
  Program program;
  program.load_half(kType);
  for (const std::uint16_t type : {RTM_NEWLINK, RTM_DELLINK, RTM_NEWNETCONF})
    program.if_equal(htons(type), [&] { program.answer(true); });
  program.load_word(kPort);
  program.if_equal(htonl(own_port), [&] { program.answer(false); });
  program.load_half(kType);
  for (const std::uint16_t type : {RTM_NEWADDR, RTM_DELADDR}) {
    program.if_equal(htons(type), [&] {
      drop_if_link_local(program);
      program.answer(true);
    });
  }
  for (const std::uint16_t type : {RTM_NEWROUTE, RTM_DELROUTE}) {
    program.if_equal(htons(type), [&] {
      take_if_default(program);
      take_if_the_kernels_own(program);
      for (const IpPrefix& network : networks)
        take_if_inside(program, network);
      take_if_ours_or_replacing(program, offsetof(rtmsg, rtm_protocol));
    });
  }
  for (const std::uint16_t type : {RTM_NEWNEXTHOP, RTM_DELNEXTHOP}) {
    program.if_equal(htons(type),
                     [&] { take_if_ours_or_replacing(program, offsetof(nhmsg, nh_protocol)); });
  }
  program.load_word(kPayload + offsetof(ndmsg, ndm_ifindex));
  for (const int link : links) {
    program.if_equal(htonl(static_cast<std::uint32_t>(link)), [&] { program.answer(true); });
  }
  program.answer(false);
  return program.attach(socket);
}

}  // namespace flannel
