// SPDX-License-Identifier: Apache-2.0
#include "dataplane/counters.h"

#include <numeric>

namespace flannel {

std::string_view to_string(Drop reason) {
  constexpr std::array<std::string_view, kDropReasons> kNames{
      "out_not_ip",      "out_link_only",   "out_malformed",     "out_no_peer",
      "out_circle",      "out_ttl_expired", "out_no_buffer",     "out_denied",
      "out_unreachable", "out_failed",      "in_not_ip",         "in_length_mismatch",
      "in_bad_checksum", "in_too_big",      "in_unknown_source", "in_wrong_sender",
      "in_not_for_us",   "in_ttl_expired",  "in_write_failed"};
  return kNames[static_cast<std::size_t>(reason)];
}

void PacketCounts::add(const PacketTallies& thread) {
  out_packets += thread.out_packets.get();
  out_bytes += thread.out_bytes.get();
  out_sends += thread.out_sends.get();
  out_uncut += thread.out_uncut.get();
  in_packets += thread.in_packets.get();
  in_bytes += thread.in_bytes.get();
  in_writes += thread.in_writes.get();
  icmp_sent += thread.icmp_sent.get();
  icmp_suppressed += thread.icmp_suppressed.get();
  for (std::size_t i = 0; i < kDropReasons; ++i)
    drops[i] += thread.drops[i].get();
}

std::uint64_t PacketCounts::dropped() const {
  return std::accumulate(drops.begin(), drops.end(), std::uint64_t{0});
}

PacketCounts::Named PacketCounts::work() const {
  return {{"out_packets", out_packets},
          {"out_bytes", out_bytes},
          {"out_sends", out_sends},
          {"out_uncut", out_uncut},
          {"in_packets", in_packets},
          {"in_bytes", in_bytes},
          {"in_writes", in_writes},
          {"icmp_sent", icmp_sent},
          {"icmp_suppressed", icmp_suppressed}};
}

PacketCounts::Named PacketCounts::drops_by_reason() const {
  Named named;
  for (std::size_t i = 0; i < kDropReasons; ++i)
    named.emplace_back(to_string(static_cast<Drop>(i)), drops[i]);
  return named;
}

PacketTallies& PacketCounters::tallies(std::size_t n) {
  const std::lock_guard lock(mutex_);
  while (tallies_.size() <= n)
    tallies_.emplace_back();
  return tallies_[n];
}

PacketCounts PacketCounters::read() const {
  const std::lock_guard lock(mutex_);
  PacketCounts all;
  for (const PacketTallies& thread : tallies_)
    all.add(thread);
  return all;
}

}  // namespace flannel
