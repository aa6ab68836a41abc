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

// The longest run of datagrams that one send or receive can carry: what fits in an IPv4 packet.
inline constexpr std::size_t kMaxUdpPayload = 65507;
// A super-packet may be longer than an IPv4 packet by its headers.
inline constexpr std::size_t kTunReadSize = 65536 + 256;
// The kernel's UDP_MAX_SEGMENTS before 6.x raised it to 128.
inline constexpr std::size_t kMaxSegmentsPerSend = 64;

// What is left to do on a packet: to its checksum, and to cut it into packets of the wire.
struct Offload {
  enum class Cut : std::uint8_t { none, tcp4, udp4 };

  // The transport checksum field holds the pseudo header's sum only; the sum over everything from
  // `checksum_start` on is still to be stored at checksum_start + checksum_offset.
  bool checksum_unfinished = false;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;

  Cut cut = Cut::none;
  std::uint16_t header_length = 0;  // IP and transport header, with options; meaningful with `cut`
  std::uint16_t segment_size = 0;   // payload bytes of each packet but the last; the same

  bool operator==(const Offload&) const = default;
};

// Why a thread that slept is awake.
enum class Wake {
  ready,  // there may be something to read
  asked,  // somebody called wake()
  gone,   // the device or socket will never work again
};

enum class TunWrite {
  done,
  refused,  // the kernel takes no such super-packet: write its parts
  lost,     // for example because the device is down
};

// The overlay's side: one queue of a TUN device. One thread at a time reads; any may write.
class TunPort {
 public:
  virtual ~TunPort() = default;

  struct Packet {
    std::size_t size = 0;
    Offload offload;
  };
  // The next packet that the host wants to send, put at the start of `into`; nothing if none waits.
  virtual std::optional<Packet> read(ByteSpan into) = 0;

  // Gives the host one packet whose bytes are the parts one after the other.
  virtual TunWrite write(const Offload& offload, std::span<const ByteView> parts) = 0;

  // Which super-packets write() takes.
  virtual bool takes(Offload::Cut cut) const = 0;
};

enum class Sent {
  done,
  cannot_cut,   // path MTU, or a device that cannot: send the datagrams one by one
  no_buffer,    // the device's queue is full, or stands still
  denied,       // by a firewall of this host
  unreachable,  // the underlay has no route
  failed,
};

// The underlay's side: a UDP socket. One thread receives; any may send.
class UdpPort {
 public:
  virtual ~UdpPort() = default;

  // Datagrams from one sender: each of `segment_size` bytes, the last may be shorter.
  struct Run {
    Ip4 from;
    ByteSpan bytes;
    std::size_t segment_size = 0;
  };
  // What has arrived; empty if nothing. The bytes are the caller's until the next call.
  virtual std::span<const Run> receive() = 0;

  // Sends the bytes as datagrams of `segment_size` bytes, the last may be shorter; at most
  // kMaxSegmentsPerSend of them and kMaxUdpPayload bytes.
  virtual Sent send(Endpoint4 to, ByteView bytes, std::size_t segment_size) = 0;
  // The same with nothing asked of the device or the path: one packet of the underlay (or
  // fragments of one) for each datagram. `lost` counts the datagrams that did not leave.
  virtual Sent send_each(Endpoint4 to, ByteView bytes, std::size_t segment_size,
                         std::size_t& lost) = 0;
};

// Waits until one of the two ports of a queue pair is readable.
class QueueWaiter {
 public:
  virtual ~QueueWaiter() = default;

  // Returns when the UDP socket, or with `tun_too` also the TUN queue, can be read. Only one thread
  // may wait.
  virtual Wake wait(bool tun_too) = 0;
  // Ends the wait() that is under way, or else the next one. May be called on any thread.
  virtual void wake() = 0;
};

// One queue of the TUN device and the UDP socket with which its packets are exchanged.
struct QueuePair {
  std::unique_ptr<TunPort> tun;
  std::unique_ptr<UdpPort> udp;
  std::unique_ptr<QueueWaiter> waiter;
};

}  // namespace flannel
