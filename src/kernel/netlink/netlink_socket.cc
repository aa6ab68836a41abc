// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink/netlink_socket.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <utility>

namespace flannel {
namespace {

// The kernel puts at most 32 KB of a dump into one datagram.
constexpr std::size_t kLargestDatagram = 64 << 10;

// The types of another protocol have other names.
std::string request_name(int protocol, std::uint16_t type) {
  constexpr auto kXfrmNames = std::to_array<std::pair<int, const char*>>({
      {XFRM_MSG_NEWPOLICY, "XFRM_MSG_NEWPOLICY"},
      {XFRM_MSG_DELPOLICY, "XFRM_MSG_DELPOLICY"},
      {XFRM_MSG_GETPOLICY, "XFRM_MSG_GETPOLICY"},
      {XFRM_MSG_UPDPOLICY, "XFRM_MSG_UPDPOLICY"},
  });
  constexpr auto kNames = std::to_array<std::pair<int, const char*>>({
      {RTM_NEWLINK, "RTM_NEWLINK"},
      {RTM_DELLINK, "RTM_DELLINK"},
      {RTM_GETLINK, "RTM_GETLINK"},
      {RTM_NEWADDR, "RTM_NEWADDR"},
      {RTM_DELADDR, "RTM_DELADDR"},
      {RTM_GETADDR, "RTM_GETADDR"},
      {RTM_NEWROUTE, "RTM_NEWROUTE"},
      {RTM_DELROUTE, "RTM_DELROUTE"},
      {RTM_GETROUTE, "RTM_GETROUTE"},
      {RTM_NEWNEIGH, "RTM_NEWNEIGH"},
      {RTM_DELNEIGH, "RTM_DELNEIGH"},
      {RTM_GETNEIGH, "RTM_GETNEIGH"},
      {RTM_NEWNEXTHOP, "RTM_NEWNEXTHOP"},
      {RTM_DELNEXTHOP, "RTM_DELNEXTHOP"},
      {RTM_GETNEXTHOP, "RTM_GETNEXTHOP"},
  });
  const std::span<const std::pair<int, const char*>> names =
      protocol == NETLINK_XFRM ? std::span<const std::pair<int, const char*>>(kXfrmNames) : kNames;
  const auto found = std::ranges::find(names, type, &std::pair<int, const char*>::first);
  return found == names.end() ? fmt::format("netlink {}", type)
                              : fmt::format("netlink {}", found->second);
}

Failure refused(const std::string& request, int code, std::string_view reason) {
  auto failure = os_error(request, code);
  if (!reason.empty()) failure.value().text += fmt::format(" ({})", reason);
  return failure;
}

Failure unanswered(const std::string& request) {
  return fail(ErrorKind::unavailable, request + ": the kernel did not answer");
}

template <typename Value>
bool set_option(const Fd& fd, int level, int option, const Value& value) {
  return ::setsockopt(fd.get(), level, option, &value, sizeof value) == 0;
}

Result<void> set_up(const Fd& fd, const NetlinkSocket::Options& options) {
  const timeval timeout{options.timeout.count() / 1000, options.timeout.count() % 1000 * 1000};
  if (!set_option(fd, SOL_SOCKET, SO_RCVTIMEO, timeout)) {
    return os_error("netlink: set the timeout");
  }
  // Kernels before 4.12 and 4.20 lack these options: errors then have no reason, and the kernel
  // does not filter dumps. All readers of dumps check every row anyway.
  constexpr int kOn = 1;
  set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, kOn);
  set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, kOn);
  set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, kOn);
  return {};
}

}  // namespace

Result<Fd> open_netlink(int protocol, int flags, int receive_buffer) {
  Fd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol)};
  if (!fd) return os_error("netlink: open a socket");
  if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer) &&
      !set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer)) {
    return os_error("netlink: set the receive buffer");
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return os_error("netlink: bind");
  }
  return fd;
}

bool join_netlink_group(const Fd& socket, int group) {
  return set_option(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
}

Result<NetlinkSocket> NetlinkSocket::open(Options options) {
  Fd fd = TRY(open_netlink(options.protocol, 0, options.receive_buffer));
  TRY(set_up(fd, options));
  sockaddr_nl address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return os_error("netlink: ask for the port");
  }
  return NetlinkSocket(std::move(fd), address.nl_pid, options);
}

NetlinkSocket::NetlinkSocket(Fd fd, std::uint32_t port, Options options)
    : fd_(std::move(fd)), port_(port), options_(options), buffer_(kLargestDatagram) {}

std::string NetlinkSocket::name_of(std::uint16_t type) const {
  return request_name(options_.protocol, type);
}

std::vector<Result<void>> NetlinkSocket::transact(NetlinkBatch& batch) {
  std::vector<Result<void>> outcomes(batch.size());
  for (std::size_t first = 0; first < batch.size();) {
    const std::size_t last = std::min(first + options_.requests_per_send, batch.size());
    if (!transact_chunk(batch, first, last, outcomes)) {
      for (std::size_t i = last; i < batch.size(); ++i)
        outcomes[i] = unanswered(name_of(batch.type(i)));
      break;
    }
    first = last;
  }
  return outcomes;
}

bool NetlinkSocket::transact_chunk(NetlinkBatch& batch, std::size_t first, std::size_t last,
                                   std::vector<Result<void>>& outcomes) {
  for (std::size_t i = first; i < last; ++i) {
    batch.stamp(i, next_sequence_ + static_cast<std::uint32_t>(i - first), port_, 0);
  }
  batch.stamp(last - 1, next_sequence_ + static_cast<std::uint32_t>(last - 1 - first), port_,
              NLM_F_ACK);
  std::vector<bool> answered(last - first);
  auto collected = Result<Collected>(Collected::all);
  if (const auto sent = send(batch.bytes(first, last)); !sent) {
    collected = Failure(sent.error());
  } else {
    collected = collect(batch, first, last, outcomes, answered);
  }
  next_sequence_ += static_cast<std::uint32_t>(last - first);
  if (collected && *collected == Collected::all) return true;

  const bool repeat = collected && *collected == Collected::some_lost && last - first > 1;
  bool answering = collected && *collected != Collected::timed_out;
  for (std::size_t i = first; i < last; ++i) {
    if (answered[i - first]) continue;
    if (repeat && answering) {
      answering = transact_chunk(batch, i, i + 1, outcomes);
    } else {
      outcomes[i] = collected ? unanswered(name_of(batch.type(i))) : Failure(collected.error());
    }
  }
  return answering || !collected;
}

Result<NetlinkSocket::Collected> NetlinkSocket::collect(const NetlinkBatch& batch,
                                                        std::size_t first, std::size_t last,
                                                        std::vector<Result<void>>& outcomes,
                                                        std::vector<bool>& answered) {
  bool lost = false;
  for (;;) {
    NetlinkBytes datagram;
    // The kernel carries requests out within the send, so after a loss no answer is outstanding.
    const Arrival arrival = TRY(receive(!lost, datagram));
    if (arrival == Arrival::nothing) return lost ? Collected::some_lost : Collected::timed_out;
    if (arrival == Arrival::lost) {
      lost = true;
      continue;
    }
    NetlinkReader reader(datagram);
    while (const auto message = reader.next()) {
      const std::size_t index = message->sequence - next_sequence_;
      if (message->type != NLMSG_ERROR || index >= answered.size()) continue;
      const NetlinkAck ack = decode_ack(*message);
      answered[index] = true;
      if (ack.code != 0) {
        outcomes[first + index] = refused(name_of(batch.type(first + index)), ack.code, ack.reason);
      }
      if (first + index + 1 == last) return lost ? Collected::some_lost : Collected::all;
    }
  }
}

Result<NetlinkReply> NetlinkSocket::dump(NetlinkBatch& request) {
  for (int tries = 0; tries < options_.dump_tries; ++tries) {
    bool gap = false;
    auto reply = TRY(exchange(request, NLM_F_DUMP, gap));
    // A dump marked NLM_F_DUMP_INTR raced with a change and may lack entries. It is repeated,
    // because a change based on entries that only seem absent would interrupt live traffic.
    if (!gap) return reply;
  }
  return fail(ErrorKind::unavailable,
              name_of(request.type(0)) + ": the tables kept changing while they were read");
}

Result<NetlinkReply> NetlinkSocket::ask(NetlinkBatch& request) {
  bool gap = false;
  auto reply = TRY(exchange(request, NLM_F_ACK, gap));
  if (gap) return unanswered(name_of(request.type(0)));
  return reply;
}

Result<NetlinkReply> NetlinkSocket::exchange(NetlinkBatch& request, std::uint16_t flags,
                                             bool& gap) {
  const std::uint16_t type = request.type(0);
  const std::uint32_t sequence = next_sequence_++;
  request.stamp(0, sequence, port_, flags);
  TRY(send(request.bytes(0, 1)));
  NetlinkReply reply;
  for (;;) {
    NetlinkBytes datagram;
    const Arrival arrival = TRY_DURING(receive(true, datagram), name_of(type));
    if (arrival == Arrival::nothing) return unanswered(name_of(type));
    if (arrival == Arrival::lost) gap = true;
    NetlinkReader reader(datagram);
    while (const auto message = reader.next()) {
      if (message->sequence != sequence) continue;
      gap = gap || (message->flags & NLM_F_DUMP_INTR) != 0;
      if (message->type == NLMSG_ERROR || message->type == NLMSG_DONE) {
        const NetlinkAck ack = decode_ack(*message);
        if (ack.code != 0 && ack.code != EINTR) return refused(name_of(type), ack.code, ack.reason);
        gap = gap || ack.code == EINTR;
        return reply;
      }
      reply.bytes_.insert(reply.bytes_.end(), message->whole.begin(), message->whole.end());
      reply.bytes_.resize(NLMSG_ALIGN(reply.bytes_.size()));
    }
  }
}

Result<void> NetlinkSocket::send(NetlinkBytes bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto sent = ::sendto(fd_.get(), bytes.data(), bytes.size(), 0,
                             reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  if (sent < 0) return os_error("netlink: send");
  return {};
}

Result<NetlinkSocket::Arrival> NetlinkSocket::receive(bool wait, NetlinkBytes& datagram) {
  for (;;) {
    sockaddr_nl from{};
    socklen_t length = sizeof from;
    const auto size =
        ::recvfrom(fd_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT),
                   reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Arrival::nothing;
      if (errno == ENOBUFS) return Arrival::lost;
      return os_error("netlink: receive");
    }
    // Any process may send to our port; only the kernel has the number 0.
    if (from.nl_pid != 0) continue;
    if (static_cast<std::size_t>(size) > buffer_.size()) return Arrival::lost;
    datagram = NetlinkBytes(buffer_).first(static_cast<std::size_t>(size));
    return Arrival::datagram;
  }
}

}  // namespace flannel
