// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/udp_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace flannel {
namespace {

constexpr std::size_t kReceiveSlots = 32;
constexpr std::size_t kSlotSize = 65536;  // a joined run is at most one IPv4 packet

sockaddr_in to_sockaddr(IpEndpoint endpoint) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.ip.v4_value());
  return address;
}

Sent sent_of(int code, bool is_run) {
  switch (code) {
    case EMSGSIZE:  // the MTU of the path or device is less than a segment
    case EIO:       // a device without checksum offload, before Linux 6.2; IPsec
    case EINVAL:
      return is_run ? Sent::cannot_cut : Sent::failed;
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
      return Sent::no_buffer;
    case EPERM:
    case EACCES:
      return Sent::denied;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
      return Sent::unreachable;
    default:
      return Sent::failed;
  }
}

}  // namespace

// A buffer for a control message with one number.
template <typename Number>
struct Control {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(Number))> bytes{};
};

struct UdpSocketPort::Arrivals {
  std::unique_ptr<std::uint8_t[]> bytes =
      std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveSlots * kSlotSize);
  std::array<sockaddr_in, kReceiveSlots> from{};
  std::array<iovec, kReceiveSlots> parts{};
  std::array<Control<int>, kReceiveSlots> controls{};
  std::array<mmsghdr, kReceiveSlots> messages{};
  std::array<Run, kReceiveSlots> runs{};

  Arrivals() {
    for (std::size_t i = 0; i < kReceiveSlots; ++i) {
      parts[i] = {bytes.get() + i * kSlotSize, kSlotSize};
    }
  }
  // Resets the lengths, which the kernel overwrites with the sizes that it used.
  void prepare() {
    for (std::size_t i = 0; i < kReceiveSlots; ++i) {
      messages[i].msg_hdr = {.msg_name = &from[i],
                             .msg_namelen = sizeof from[i],
                             .msg_iov = &parts[i],
                             .msg_iovlen = 1,
                             .msg_control = controls[i].bytes.data(),
                             .msg_controllen = controls[i].bytes.size(),
                             .msg_flags = 0};
    }
  }
  Run run(std::size_t i) const {
    std::size_t segment = messages[i].msg_len;
    for (const cmsghdr* control = CMSG_FIRSTHDR(&messages[i].msg_hdr); control != nullptr;) {
      if (control->cmsg_level == SOL_UDP && control->cmsg_type == UDP_GRO) {
        int size = 0;
        std::memcpy(&size, CMSG_DATA(control), sizeof size);
        if (size > 0) segment = static_cast<std::size_t>(size);
      }
      break;  // the buffer has room for one only
    }
    return {IpAddress::v4(ntohl(from[i].sin_addr.s_addr)),
            {static_cast<std::uint8_t*>(parts[i].iov_base), messages[i].msg_len},
            segment};
  }
};

UdpSocketPort::UdpSocketPort(Fd socket, UdpAbilities abilities)
    : socket_(std::move(socket)), abilities_(abilities), arrivals_(std::make_unique<Arrivals>()) {}

UdpSocketPort::~UdpSocketPort() = default;

std::span<const UdpPort::Run> UdpSocketPort::receive() {
  arrivals_->prepare();
  int count = 0;
  do {
    count =
        ::recvmmsg(socket_.get(), arrivals_->messages.data(), kReceiveSlots, MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) return {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    arrivals_->runs[i] = arrivals_->run(i);
  }
  return {arrivals_->runs.data(), static_cast<std::size_t>(count)};
}

Sent UdpSocketPort::send(IpEndpoint to, ByteView bytes, std::size_t segment_size) {
  const bool is_run = bytes.size() > segment_size;
  if (is_run && !abilities_.cut) {
    std::size_t lost = 0;
    return send_each(to, bytes, segment_size, lost);
  }
  sockaddr_in address = to_sockaddr(to);
  iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  Control<std::uint16_t> control;
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (is_run) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto size = static_cast<std::uint16_t>(segment_size);
    std::memcpy(CMSG_DATA(header), &size, sizeof size);
  }
  while (::sendmsg(socket_.get(), &message, 0) < 0) {
    if (errno != EINTR) return sent_of(errno, is_run);
  }
  return Sent::done;
}

Sent UdpSocketPort::send_each(IpEndpoint to, ByteView bytes, std::size_t segment_size,
                              std::size_t& lost) {
  sockaddr_in address = to_sockaddr(to);
  std::array<iovec, kMaxSegmentsPerSend> parts;       // NOLINT: filled as far as they are used
  std::array<mmsghdr, kMaxSegmentsPerSend> messages;  // NOLINT
  std::size_t count = 0;
  for (ByteView rest = bytes; !rest.empty(); ++count) {
    const ByteView one = rest.first(std::min(segment_size, rest.size()));
    rest = rest.subspan(one.size());
    parts[count] = {const_cast<std::uint8_t*>(one.data()), one.size()};
    messages[count] = {};
    messages[count].msg_hdr.msg_name = &address;
    messages[count].msg_hdr.msg_namelen = sizeof address;
    messages[count].msg_hdr.msg_iov = &parts[count];
    messages[count].msg_hdr.msg_iovlen = 1;
  }
  lost = 0;
  Sent result = Sent::done;
  for (std::size_t at = 0; at < count;) {
    const int done =
        ::sendmmsg(socket_.get(), messages.data() + at, static_cast<unsigned>(count - at), 0);
    if (done > 0) {
      at += static_cast<std::size_t>(done);
    } else if (errno != EINTR) {  // the first message failed
      result = sent_of(errno, false);
      ++lost;
      ++at;
    }
  }
  return result;
}

}  // namespace flannel
