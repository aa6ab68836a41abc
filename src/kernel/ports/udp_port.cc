// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/udp_port.h"

#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/socket_address.h"

namespace flannel {
namespace {

constexpr std::size_t kReceiveSlots = 32;
constexpr std::size_t kSlotSize = 65536;  // a joined run is at most one IP packet

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
    case EBADF:  // this host has no address of the peer's family
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
  std::array<SocketAddress, kReceiveSlots> from{};
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
      messages[i].msg_hdr = {.msg_name = from[i].data(),
                             .msg_namelen = SocketAddress::kMost,
                             .msg_iov = &parts[i],
                             .msg_iovlen = 1,
                             .msg_control = controls[i].bytes.data(),
                             .msg_controllen = controls[i].bytes.size(),
                             .msg_flags = 0};
    }
  }
  // Receives into the slots from `begin` on; returns how many were filled.
  std::size_t fill(int socket, std::size_t begin) {
    const auto most = static_cast<unsigned>(kReceiveSlots - begin);
    int count = 0;
    do {
      count = ::recvmmsg(socket, messages.data() + begin, most, MSG_DONTWAIT, nullptr);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
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
    return {from[i].endpoint().ip,
            {static_cast<std::uint8_t*>(parts[i].iov_base), messages[i].msg_len},
            segment};
  }
};

UdpSocketPort::UdpSocketPort(std::vector<UdpSocket> sockets, UdpAbilities abilities)
    : sockets_(std::move(sockets)),
      abilities_(abilities),
      arrivals_(std::make_unique<Arrivals>()) {}

UdpSocketPort::~UdpSocketPort() = default;

// The socket that is read first changes, so that none starves the other.
std::span<const UdpPort::Run> UdpSocketPort::receive() {
  arrivals_->prepare();
  std::size_t count = 0;
  for (std::size_t n = 0; n < sockets_.size() && count < kReceiveSlots; ++n) {
    count += arrivals_->fill(sockets_[(first_ + n) % sockets_.size()].fd.get(), count);
  }
  first_ = (first_ + 1) % sockets_.size();
  for (std::size_t i = 0; i < count; ++i)
    arrivals_->runs[i] = arrivals_->run(i);
  return {arrivals_->runs.data(), count};
}

// -1: the family has no socket.
int UdpSocketPort::socket_for(const IpEndpoint& to) const {
  const auto found = std::ranges::find(sockets_, to.ip.family, &UdpSocket::family);
  return found == sockets_.end() ? -1 : found->fd.get();
}

Sent UdpSocketPort::send(const IpEndpoint& to, ByteView bytes, std::size_t segment_size) {
  const bool is_run = bytes.size() > segment_size;
  if (is_run && !abilities_.cut) {
    std::size_t lost = 0;
    return send_each(to, bytes, segment_size, lost);
  }
  SocketAddress address(to);
  const int socket = socket_for(to);
  iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  Control<std::uint16_t> control;
  msghdr message{};
  message.msg_name = address.data();
  message.msg_namelen = address.size();
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
  while (::sendmsg(socket, &message, 0) < 0) {
    if (errno != EINTR) return sent_of(errno, is_run);
  }
  return Sent::done;
}

Sent UdpSocketPort::send_each(const IpEndpoint& to, ByteView bytes, std::size_t segment_size,
                              std::size_t& lost) {
  SocketAddress address(to);
  const int socket = socket_for(to);
  std::array<iovec, kMaxSegmentsPerSend> parts;       // NOLINT: filled as far as they are used
  std::array<mmsghdr, kMaxSegmentsPerSend> messages;  // NOLINT
  std::size_t count = 0;
  for (ByteView rest = bytes; !rest.empty(); ++count) {
    const ByteView one = rest.first(std::min(segment_size, rest.size()));
    rest = rest.subspan(one.size());
    parts[count] = {const_cast<std::uint8_t*>(one.data()), one.size()};
    messages[count] = {};
    messages[count].msg_hdr.msg_name = address.data();
    messages[count].msg_hdr.msg_namelen = address.size();
    messages[count].msg_hdr.msg_iov = &parts[count];
    messages[count].msg_hdr.msg_iovlen = 1;
  }
  lost = 0;
  Sent result = Sent::done;
  for (std::size_t at = 0; at < count;) {
    const int done = ::sendmmsg(socket, messages.data() + at, static_cast<unsigned>(count - at), 0);
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
