// SPDX-License-Identifier: Apache-2.0
#include "kernel/ports/tun_port.h"

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>

namespace flannel {
namespace {

// struct virtio_net_hdr; <linux/virtio_net.h> has a member named `class`, which is not valid C++. A
// TUN device uses the host's byte order.
struct VirtioHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_length = 0;
  std::uint16_t gso_size = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;
constexpr std::uint8_t kGsoUdp = 5;  // VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2
constexpr std::uint8_t kGsoEcn = 0x80;

constexpr std::size_t kMostParts = 512;

// nullopt: a kind of super-packet that was not requested.
std::optional<Offload> to_offload(const VirtioHeader& header) {
  Offload offload{.checksum_unfinished = (header.flags & kNeedsChecksum) != 0,
                  .checksum_start = header.checksum_start,
                  .checksum_offset = header.checksum_offset};
  switch (header.gso_type & ~kGsoEcn) {
    case 0:
      return offload;
    case kGsoTcp4:
    case kGsoTcp6:
      offload.cut = Offload::Cut::tcp;
      break;
    case kGsoUdp:
      offload.cut = Offload::Cut::udp;
      break;
    default:
      return std::nullopt;
  }
  offload.header_length = header.header_length;
  offload.segment_size = header.gso_size;
  return offload;
}

std::uint8_t gso_type(Offload::Cut cut, bool is_ip6) {
  if (cut == Offload::Cut::udp) return kGsoUdp;
  return is_ip6 ? kGsoTcp6 : kGsoTcp4;
}

VirtioHeader to_header(const Offload& offload, bool is_ip6) {
  VirtioHeader header;
  if (offload.checksum_unfinished) {
    header.flags = kNeedsChecksum;
    header.checksum_start = offload.checksum_start;
    header.checksum_offset = offload.checksum_offset;
  }
  if (offload.cut != Offload::Cut::none) {
    header.gso_type = gso_type(offload.cut, is_ip6);
    header.header_length = offload.header_length;
    header.gso_size = offload.segment_size;
  }
  return header;
}

}  // namespace

std::optional<TunPort::Packet> TunQueuePort::read(ByteSpan into) {
  VirtioHeader header;
  const std::size_t header_size = abilities_.header ? sizeof header : 0;
  const iovec parts[2] = {{&header, header_size}, {into.data(), into.size()}};
  for (;;) {
    const ssize_t size = ::readv(queue_.get(), parts, 2);
    if (size < 0 && errno == EINTR) continue;
    // wait() reports all errors other than EAGAIN too.
    if (size < static_cast<ssize_t>(header_size)) return std::nullopt;
    const auto offload = to_offload(header);
    if (!offload) continue;
    return Packet{static_cast<std::size_t>(size) - header_size, *offload};
  }
}

TunWrite TunQueuePort::write(const Offload& offload, std::span<const ByteView> parts) {
  assert(parts.size() < kMostParts);
  VirtioHeader header = to_header(offload, parts.front().front() >> 4 == 6);
  std::array<iovec, kMostParts> list;  // NOLINT: filled as far as it is used
  std::size_t count = 0;
  if (abilities_.header) list[count++] = {&header, sizeof header};
  for (const ByteView part : parts) {
    list[count++] = {const_cast<std::uint8_t*>(part.data()), part.size()};
  }
  for (;;) {
    if (::writev(queue_.get(), list.data(), static_cast<int>(count)) >= 0) return TunWrite::done;
    if (errno == EINTR) continue;
    const bool is_super = offload.cut != Offload::Cut::none;
    return errno == EINVAL && is_super ? TunWrite::refused : TunWrite::lost;
  }
}

bool TunQueuePort::takes(Offload::Cut cut) const {
  switch (cut) {
    case Offload::Cut::tcp:
      return abilities_.tcp;
    case Offload::Cut::udp:
      return abilities_.udp;
    case Offload::Cut::none:
      break;
  }
  return true;
}

}  // namespace flannel
