// SPDX-License-Identifier: Apache-2.0
// The counters of the packet path. docs/dataplane.md explains them to operators.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace flannel {

// Why a packet was dropped.
enum class Drop : std::uint8_t {
  // from this host to a peer
  out_not_ip,     // shorter than a header, another version, a broken header length
  out_link_only,  // neighbour discovery, multicast, link-local addresses
  out_malformed,  // its lengths or offload information do not fit the packet
  out_no_peer,    // no peer owns the destination
  out_circle,     // for a peer's public IP: our own datagram, which the routes led back to us
  out_ttl_expired,
  out_no_buffer,    // the queue of the underlay device is full or stopped
  out_denied,       // a firewall of this host
  out_unreachable,  // the underlay has no route to the peer
  out_failed,
  // from a peer to this host
  in_not_ip,           // shorter than a header, another version, a broken header length
  in_length_mismatch,  // the datagram is not as long as the packet says it is
  in_bad_checksum,     // of the IPv4 header
  in_too_big,          // longer than the device's MTU, and not to be fragmented
  in_unknown_source,   // no peer owns the inner source
  in_wrong_sender,     // another host than the owner of the inner source sent it
  in_not_for_us,       // the inner destination is not ours
  in_ttl_expired,
  in_write_failed,  // the device is down
};
inline constexpr std::size_t kDropReasons = static_cast<std::size_t>(Drop::in_write_failed) + 1;
std::string_view to_string(Drop reason);  // "out_not_ip"

// A counter that one thread increments and other threads read.
class Tally {
 public:
  void add(std::uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// `Count` is Tally for the thread that counts, and std::uint64_t for the values that are read.
template <typename Count>
struct BasicPacketCounts {
  Count out_packets{};  // datagrams handed to the underlay
  Count out_bytes{};
  Count out_sends{};   // system calls made for them
  Count out_uncut{};   // runs that had to be sent one datagram at a time
  Count in_packets{};  // datagrams accepted
  Count in_bytes{};
  Count in_writes{};  // packets and super-packets written to the device
  Count icmp_sent{};
  Count icmp_suppressed{};  // by the rate limit
  std::array<Count, kDropReasons> drops{};

  const Count& operator[](Drop reason) const { return drops[static_cast<std::size_t>(reason)]; }
  Count& operator[](Drop reason) { return drops[static_cast<std::size_t>(reason)]; }
};

using PacketTallies =
    BasicPacketCounts<Tally>;  // of one direction of a queue pair; one thread at a time

struct PacketCounts : BasicPacketCounts<std::uint64_t> {
  void add(const PacketTallies& thread);
  std::uint64_t dropped() const;

  using Named = std::vector<std::pair<std::string_view, std::uint64_t>>;
  Named work() const;  // "out_packets" and the like
  Named drops_by_reason() const;
};

// The tallies of all packet threads of a device. They outlive the threads and continue when the
// device is recreated. May be used on any thread.
class PacketCounters {
 public:
  // The tallies of queue pair n / 2: of its out direction if n is even, else of its in direction.
  PacketTallies& tallies(std::size_t n);
  PacketCounts read() const;

 private:
  mutable std::mutex mutex_;
  std::deque<PacketTallies> tallies_;
};

}  // namespace flannel
