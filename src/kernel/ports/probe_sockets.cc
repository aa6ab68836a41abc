// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/probe_sockets.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "kernel/ports/probe_filter.h"
#include "net/ip4_header.h"
#include "net/ip_header.h"
#include "net/socket_address.h"
#include "net/transport_header.h"

// <net/if.h> has it, and cannot be read after <linux/if.h>, which another source of the same unit
// may include.
extern "C" unsigned if_nametoindex(const char* name) noexcept;

namespace flannel {
namespace {

// Packets that are read before other work of the loop goes on.
constexpr int kAtOnce = 64;
// The headers and the message; the kernel says how long the packet is.
constexpr std::size_t kBeginning = 256;

// ICMP_FILTER of raw(7): a bit for each type that is refused.
constexpr int kIcmpFilter = 1;
constexpr unsigned kIcmp4EchoAnswer = 0;

bool attach(const Fd& socket, std::vector<sock_filter> program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0;
}

Fd open_socket(int family, int type, int protocol) {
  return Fd{::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
}

// Reads the beginning of a packet. `checksum_due`: a device of this host is to fill its checksum
// in, so the packet has not left the host, and its checksum says nothing yet.
ssize_t read_beginning(const Fd& socket, ByteSpan bytes, sockaddr_ll& from, bool& checksum_due) {
  iovec place{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control;
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket.get(), &message, MSG_TRUNC);
  if (size <= 0) return size;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_PACKET || one->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data;
    std::memcpy(&data, CMSG_DATA(one), sizeof data);
    checksum_due = (data.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
  }
  return size;
}

// The kernel gives the socket answers to echoes only.
bool take_answers_only(const Fd& socket, Family family) {
  if (family == Family::v4) {
    const std::uint32_t refused = ~(1U << kIcmp4EchoAnswer);
    return ::setsockopt(socket.get(), SOL_RAW, kIcmpFilter, &refused, sizeof refused) == 0;
  }
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
  return ::setsockopt(socket.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) == 0;
}

void switch_on(const Fd& socket, int level, int option) {
  const int on = 1;
  ::setsockopt(socket.get(), level, option, &on, sizeof on);
}

// The kernel has an address for it even before it is on a device, and sends from one that no device
// has, as with host-gw. Failures are ignored.
Fd hold_port(const IpAddress& own) {
  Fd socket = open_socket(socket_family(own.family), SOCK_DGRAM, 0);
  if (!socket || !attach(socket, deaf_filter())) return {};
  const int level = own.is_v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
  switch_on(socket, level, own.is_v4() ? IP_FREEBIND : IPV6_FREEBIND);
  switch_on(socket, level, own.is_v4() ? IP_TRANSPARENT : IPV6_TRANSPARENT);
  const SocketAddress address(IpEndpoint{own, kProbePort});
  if (::bind(socket.get(), address.data(), address.size()) != 0) return {};
  return socket;
}

// Sends a packet that has its IP header. The kernel looks the route and the policy of IPsec up by
// the source that it is given, and not by that of the header.
void send_whole(const Fd& socket, ByteView packet, const SocketAddress& to) {
  const auto ip = IpHeader::parse(packet);
  if (!ip || !ip->source.is_v4()) {
    (void)::sendto(socket.get(), packet.data(), packet.size(), 0, to.data(), to.size());
    return;
  }
  iovec place{const_cast<std::uint8_t*>(packet.data()), packet.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control{};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(to.data());
  message.msg_namelen = to.size();
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IP;
  header->cmsg_type = IP_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo source{};
  std::memcpy(&source.ipi_spec_dst, ip->source.octets().data(), sizeof source.ipi_spec_dst);
  std::memcpy(CMSG_DATA(header), &source, sizeof source);
  (void)::sendmsg(socket.get(), &message, 0);
}

}  // namespace

Result<std::unique_ptr<ProbeSockets>> ProbeSockets::open(Loop& loop, Events events) {
  std::unique_ptr<ProbeSockets> made(new ProbeSockets(loop, std::move(events)));
  TRY(made->open_senders(Family::v4));
  // A kernel without IPv6 has no peers of it.
  if (auto opened = made->open_senders(Family::v6);
      !opened && opened.error().kind == ErrorKind::denied) {
    return tl::unexpected(std::move(opened).error());
  }
  return made;
}

Result<void> ProbeSockets::open_senders(Family family) {
  Fd sender = open_socket(socket_family(family), SOCK_RAW, IPPROTO_RAW);
  if (!sender) return os_error("open a raw socket for probes");
  const int protocol = family == Family::v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  Underlay underlay{open_socket(socket_family(family), SOCK_RAW, protocol), {}};
  if (!underlay.socket || !take_answers_only(underlay.socket, family)) {
    return os_error("open an ICMP socket for probes");
  }
  senders_[family] = std::move(sender);
  Underlay& kept = underlay_[family] = std::move(underlay);
  kept.watch = TRY(loop_.watch_fd(kept.socket.get(), EPOLLIN, [this, family](std::uint32_t) {
    read_underlay(family, underlay_.at(family).socket);
  }));
  return {};
}

void ProbeSockets::listen(const std::vector<ProbeDevice>& devices) {
  std::erase_if(ears_, [&devices](const auto& ear) {
    return std::ranges::find(devices, ear.first) == devices.end();
  });
  for (const ProbeDevice& device : devices) {
    const int index = static_cast<int>(::if_nametoindex(device.name.c_str()));
    const auto ear = ears_.find(device);
    if (ear != ears_.end() && ear->second.interface_index == index) continue;
    if (ear != ears_.end()) ears_.erase(ear);
    if (index == 0) continue;
    if (auto opened = open_ear(device, index)) ears_[device] = *std::move(opened);
  }
  hold_ports(devices);
}

Result<ProbeSockets::Ear> ProbeSockets::open_ear(const ProbeDevice& device, int index) {
  const std::string what = "receive probes from " + device.name;
  // Without a protocol it receives nothing before it is bound, when it has its filter.
  Ear ear{index, open_socket(AF_PACKET, SOCK_DGRAM, 0), {}};
  if (!ear.socket || !attach(ear.socket, probe_filter(device.own))) return os_error(what);
  switch_on(ear.socket, SOL_PACKET, PACKET_AUXDATA);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(device.own.is_v4() ? ETH_P_IP : ETH_P_IPV6);
  address.sll_ifindex = index;
  if (::bind(ear.socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return os_error(what);
  }
  ear.watch = TRY(loop_.watch_fd(ear.socket.get(), EPOLLIN, [this, device](std::uint32_t) {
    const auto there = ears_.find(device);
    if (there != ears_.end()) read(device.name, there->second.socket);
  }));
  return ear;
}

void ProbeSockets::hold_ports(const std::vector<ProbeDevice>& devices) {
  std::set<IpAddress> own;
  for (const ProbeDevice& device : devices)
    own.insert(device.own);
  std::erase_if(held_, [&own](const auto& held) { return !own.contains(held.first); });
  for (const IpAddress& address : own) {
    Fd& held = held_[address];
    if (!held) held = hold_port(address);
  }
}

void ProbeSockets::read(const std::string& device, const Fd& socket) {
  std::array<std::uint8_t, kBeginning> bytes;
  for (int i = 0; i < kAtOnce; ++i) {
    sockaddr_ll from{};
    bool checksum_due = false;
    const auto size = read_beginning(socket, bytes, from, checksum_due);
    if (size <= 0) return;  // nothing more, or the device is gone, which listen() notices
    if (from.sll_pkttype != PACKET_HOST) continue;
    const std::size_t there = std::min(static_cast<std::size_t>(size), bytes.size());
    auto probe = read_probe(ByteView(bytes).first(there));
    if (!probe || probe->size > size) continue;
    if (checksum_due) probe->checksum = ProbeMessage::Checksum::right;
    ProbePaths::Arrival arrival{.probe = *probe, .device = device, .mac = {}};
    if (from.sll_halen == 6) {
      Mac& mac = arrival.mac.emplace();
      std::copy_n(from.sll_addr, mac.bytes.size(), mac.bytes.begin());
    }
    events_.on_arrival(arrival);
  }
}

void ProbeSockets::read_underlay(Family family, const Fd& socket) {
  std::array<std::uint8_t, kBeginning> bytes;
  for (int i = 0; i < kAtOnce; ++i) {
    SocketAddress from;
    socklen_t length = SocketAddress::kMost;
    const auto size =
        ::recvfrom(socket.get(), bytes.data(), bytes.size(), MSG_TRUNC, from.data(), &length);
    if (size <= 0) return;
    ByteView icmp = ByteView(bytes).first(std::min(static_cast<std::size_t>(size), bytes.size()));
    if (family == Family::v4) {  // the kernel gives its IP header
      const auto ip = Ip4Header::parse(icmp);
      if (!ip) continue;
      icmp = icmp.subspan(ip->header_length);
    }
    const auto nonce = nonce_in_echo_answer(family, icmp);
    if (nonce) events_.on_underlay(from.endpoint().ip, *nonce);
  }
}

// The kernel makes the packet anew, as of any program, and leaves its checksum to the device if
// that is able. False: it cannot be sent so.
bool ProbeSockets::send_ordinary(const ProbePaths::Outgoing& packet) const {
  const auto ip = IpHeader::parse(packet.bytes);
  const auto held = ip ? held_.find(ip->source) : held_.end();
  if (held == held_.end() || !held->second) return false;
  const int limit = ip->hop_limit;
  const bool is_v4 = packet.to.is_v4();
  ::setsockopt(held->second.get(), is_v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6},
               is_v4 ? IP_TTL : IPV6_UNICAST_HOPS, &limit, sizeof limit);
  const ByteView payload = ByteView(packet.bytes).subspan(ip->header_length + kUdpHeaderLength);
  const SocketAddress to(IpEndpoint{packet.to, kProbePort});
  return ::sendto(held->second.get(), payload.data(), payload.size(), 0, to.data(), to.size()) >= 0;
}

void ProbeSockets::send(const ProbePaths::Outgoing& packet) {
  const Family family = packet.to.family;
  const SocketAddress to(IpEndpoint{packet.to, 0});
  using Kind = ProbePaths::Outgoing::Kind;
  // Another program may have the port. Then checksums are not checked.
  if (packet.kind == Kind::ordinary && send_ordinary(packet)) return;
  const bool over = packet.kind != Kind::underlay;
  if (!senders_.contains(family)) return;
  // A failure (no route, a rule, a device that is down) is a loss, which the answers show.
  if (over) return send_whole(senders_.at(family), packet.bytes, to);
  const Fd& socket = underlay_.at(family).socket;
  (void)::sendto(socket.get(), packet.bytes.data(), packet.bytes.size(), 0, to.data(), to.size());
}

}  // namespace flannel
