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

std::uint8_t Backlog::flow_of(ByteView packet, const Ip4Header& ip) {
  std::uint64_t key =
      (std::uint64_t{ip.source.v4_value()} << 32 | ip.destination.v4_value()) ^ ip.protocol;
  const bool has_ports = ip.protocol == kProtocolTcp || ip.protocol == kProtocolUdp;
  if (has_ports && packet.size() >= ip.header_length + std::size_t{4}) {
    key ^= std::uint64_t{load_be32(packet, ip.header_length)} * 0xff51afd7ed558ccdULL;
  }
  return static_cast<std::uint8_t>((key * 0x9e3779b97f4a7c15ULL) >> 56);
}

// A fragment has no ports, so it may belong to any flow, and any later packet may belong to its
// flow.
bool Backlog::holds_flow_of(ByteView packet, const Ip4Header& ip) const {
  if (empty()) return false;
  return ip.is_fragment() || fragments_ > 0 || waiting_by_flow_[flow_of(packet, ip)] > 0;
}

void Backlog::keep(std::size_t size, const Offload& offload, const Ip4Header& ip) {
  assert(!full());
  Place& place = places_[end_ % places_.size()];
  place.bytes = std::move(free_.back());
  free_.pop_back();
  place.size = size;
  place.offload = offload;
  place.flow = flow_of({place.bytes.get(), size}, ip);
  place.is_fragment = ip.is_fragment();
  ++waiting_by_flow_[place.flow];
  if (place.is_fragment) ++fragments_;
  ++end_;
}

Backlog::Waiting Backlog::take() {
  assert(!empty());
  Place& place = places_[first_ % places_.size()];
  --waiting_by_flow_[place.flow];
  if (place.is_fragment) --fragments_;
  ++first_;
  free_.push_back(std::move(place.bytes));
  return {{free_.back().get(), place.size}, place.offload};
}

}  // namespace flannel
