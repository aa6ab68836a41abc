// SPDX-License-Identifier: Apache-2.0
#include "dataplane/backlog.h"

#include <cassert>
#include <utility>

namespace flannel {

ByteSpan Backlog::place() {
  assert(!full());
  if (free_.empty()) {
    free_.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(kTunReadSize));
  }
  return {free_.back().get(), kTunReadSize};
}

std::uint8_t Backlog::flow_of(ByteView packet, const IpHeader& ip) {
  std::uint64_t key = ip.protocol;
  for (std::size_t at = 0; at < ip.source.octets().size(); at += 4) {
    const std::uint64_t word =
        std::uint64_t{load_be32(ip.source.bytes, at)} << 32 | load_be32(ip.destination.bytes, at);
    key = (key ^ word) * 0xff51afd7ed558ccdULL;
  }
  const bool has_ports = ip.protocol == kProtocolTcp || ip.protocol == kProtocolUdp;
  if (has_ports && packet.size() >= ip.header_length + std::size_t{4}) {
    key ^= std::uint64_t{load_be32(packet, ip.header_length)} * 0xff51afd7ed558ccdULL;
  }
  return static_cast<std::uint8_t>((key * 0x9e3779b97f4a7c15ULL) >> 56);
}

// A fragment has no ports, so it may belong to any flow, and any later packet may belong to its
// flow.
bool Backlog::holds_flow_of(ByteView packet, const IpHeader& ip) const {
  if (empty()) return false;
  return ip.is_of_unknown_flow() || of_unknown_flow_ > 0 ||
         waiting_by_flow_[flow_of(packet, ip)] > 0;
}

void Backlog::keep(std::size_t size, const Offload& offload, const IpHeader& ip) {
  assert(!full());
  Place& place = places_[end_ % places_.size()];
  place.bytes = std::move(free_.back());
  free_.pop_back();
  place.size = size;
  place.offload = offload;
  place.flow = flow_of({place.bytes.get(), size}, ip);
  place.is_of_unknown_flow = ip.is_of_unknown_flow();
  ++waiting_by_flow_[place.flow];
  if (place.is_of_unknown_flow) ++of_unknown_flow_;
  ++end_;
}

Backlog::Waiting Backlog::take() {
  assert(!empty());
  Place& place = places_[first_ % places_.size()];
  --waiting_by_flow_[place.flow];
  if (place.is_of_unknown_flow) --of_unknown_flow_;
  ++first_;
  free_.push_back(std::move(place.bytes));
  return {{free_.back().get(), place.size}, place.offload};
}

}  // namespace flannel
