// SPDX-License-Identifier: Apache-2.0
// The two edges of the packet path. Everything between them works on bytes in memory; the real
// ports are kernel/ports/tun_port.h and kernel/ports/udp_port.h, their twins
// tests/support/fake_ports.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "net/address.h"
#include "net/bytes.h"

namespace flannel {

// The most bytes that one send or receive can carry, which is what fits in an IPv4 packet. IPv6
// would carry 20 more.
inline constexpr std::size_t kMaxUdpPayload = 65507;
// A super-packet can be longer than 65535 bytes by the length of its headers.
inline constexpr std::size_t kTunReadSize = 65536 + 256;
// UDP_MAX_SEGMENTS of kernels before 6.x, which raised it to 128.
inline constexpr std::size_t kMaxSegmentsPerSend = 64;

// The work that remains to be done on a packet: to complete its checksum, and to cut it into
// packets of the wire.
struct Offload {
  enum class Cut : std::uint8_t { none, tcp, udp };

  // The transport checksum field has only the sum of the pseudo header. The sum over the bytes from
  // `checksum_start` on must still be stored at checksum_start + checksum_offset.
  bool checksum_unfinished = false;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;

  Cut cut = Cut::none;
  std::uint16_t header_length = 0;  // of IP and transport header with options; used only with `cut`
  std::uint16_t segment_size = 0;   // payload bytes of each packet but the last; only with `cut`

  bool operator==(const Offload&) const = default;
};

// Why QueueWaiter::wait() returned.
enum class Wake {
  ready,  // there may be packets to read
  asked,  // wake() was called
  gone,   // the device or socket can no longer be used
};

enum class TunWrite {
  done,
  refused,  // the kernel does not accept such a super-packet: write its parts
  lost,     // for example because the device is down
};

// The overlay side: one queue of a TUN device. One thread at a time reads; any thread may write.
class TunPort {
 public:
  virtual ~TunPort() = default;

  struct Packet {
    std::size_t size = 0;
    Offload offload;
  };
  // Reads the next packet of the host into the start of `into`; nullopt if none waits.
  virtual std::optional<Packet> read(ByteSpan into) = 0;

  // Writes one packet to the host. Its bytes are the concatenated `parts`.
  virtual TunWrite write(const Offload& offload, std::span<const ByteView> parts) = 0;

  // True if write() accepts super-packets of this kind.
  virtual bool takes(Offload::Cut cut) const = 0;
};

enum class Sent {
  done,
  cannot_cut,   // because of the path MTU or the device: send the datagrams one by one
  no_buffer,    // the queue of the device is full or stopped
  denied,       // by a firewall of this host
  unreachable,  // the underlay has no route
  failed,
};

// The underlay side: a UDP socket for each family of the underlay. One thread receives; any thread
// may send.
class UdpPort {
 public:
  virtual ~UdpPort() = default;

  // Datagrams from one sender. Each has `segment_size` bytes; the last may be shorter.
  struct Run {
    IpAddress from;
    ByteSpan bytes;
    std::size_t segment_size = 0;
  };
  // Returns the datagrams that have arrived, which may be none. The bytes stay valid until the next
  // call.
  virtual std::span<const Run> receive() = 0;

  // Sends `bytes` as datagrams of `segment_size` bytes, of which the last may be shorter: at most
  // kMaxSegmentsPerSend datagrams and kMaxUdpPayload bytes.
  virtual Sent send(const IpEndpoint& to, ByteView bytes, std::size_t segment_size) = 0;
  // Sends the same datagrams with one system call each, without segmentation by the device; a
  // datagram that exceeds the path MTU is fragmented. Adds the number of unsent datagrams to
  // `lost`.
  virtual Sent send_each(const IpEndpoint& to, ByteView bytes, std::size_t segment_size,
                         std::size_t& lost) = 0;
};

// Waits until one of the two ports of a queue pair is readable.
class QueueWaiter {
 public:
  virtual ~QueueWaiter() = default;

  // Returns when a UDP socket, or with `tun_too` also the TUN queue, can be read. Only one thread
  // may wait.
  virtual Wake wait(bool tun_too) = 0;
  // Ends the wait() that is under way, or else the next one. May be called on any thread.
  virtual void wake() = 0;
};

// One queue of the TUN device and the UDP sockets with which its packets are exchanged.
struct QueuePair {
  std::unique_ptr<TunPort> tun;
  std::unique_ptr<UdpPort> udp;
  std::unique_ptr<QueueWaiter> waiter;
};

}  // namespace flannel
