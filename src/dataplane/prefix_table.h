// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <vector>

#include "net/address.h"
#include "net/bytes.h"

namespace flannel {

// Addresses as numbers that can be masked, compared and hashed.
struct Ip4Number {
  static constexpr Family kFamily = Family::v4;
  std::uint32_t value = 0;

  static Ip4Number of(const IpAddress& ip) { return {ip.v4_value()}; }
  Ip4Number operator&(const Ip4Number& other) const { return {value & other.value}; }
  bool operator==(const Ip4Number&) const = default;
  std::uint64_t folded() const { return value; }
};

struct Ip6Number {
  static constexpr Family kFamily = Family::v6;
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  static Ip6Number of(const IpAddress& ip) {
    const auto half = [&](std::size_t from) {
      return std::uint64_t{load_be32(ip.bytes, from)} << 32 | load_be32(ip.bytes, from + 4);
    };
    return {half(0), half(8)};
  }
  Ip6Number operator&(const Ip6Number& other) const { return {high & other.high, low & other.low}; }
  bool operator==(const Ip6Number&) const = default;
  std::uint64_t folded() const { return high ^ low * 0xff51afd7ed558ccdULL; }
};

// A subnet of a peer and where its packets are sent. A peer with a subnet of each family has two.
struct OverlayPeer {
  IpPrefix subnet;
  IpEndpoint endpoint;  // port not 0; of either family, whatever that of the subnet is

  bool operator==(const OverlayPeer&) const = default;
};

// What the packet path knows of a subnet of a peer.
struct PeerEntry {
  IpEndpoint endpoint;       // port 0: there is none
  std::uint32_t number = 0;  // of the subnet in its table
};

// The peers of subnets of one family, whose addresses are `Number`s. Immutable. A look-up reads
// one cache line for each prefix length that occurs (of IPv6 one or two).
template <typename Number>
class PrefixTable {
 public:
  PrefixTable() = default;
  // Takes the peers whose subnet is of its family. If a subnet occurs twice, its later endpoint is
  // used. `numbers`: of their subnets, in the same order.
  PrefixTable(const std::vector<OverlayPeer>& peers, const std::vector<std::uint32_t>& numbers) {
    std::map<std::uint8_t, std::size_t, std::greater<>> counts;  // by prefix length, longest first
    for (const OverlayPeer& peer : peers) {
      if (peer.subnet.family() == Number::kFamily) ++counts[peer.subnet.bits];
    }
    for (const auto& [bits, count] : counts)
      levels_.push_back(make_level(bits, count));
    for (std::size_t i = 0; i < peers.size(); ++i) {
      const OverlayPeer& peer = peers[i];
      if (peer.subnet.family() != Number::kFamily) continue;
      const auto level = std::distance(counts.begin(), counts.find(peer.subnet.bits));
      if (insert(levels_[static_cast<std::size_t>(level)], peer, numbers[i])) ++size_;
    }
  }

  // Returns the peer of the longest prefix that contains `address`, which is of this family;
  // null if there is none.
  const PeerEntry* find(const IpAddress& address) const {
    const Number number = Number::of(address);
    for (const Level& level : levels_) {
      const Slot& slot = level.slots[place(level, number & level.mask)];
      if (slot.peer.endpoint.port != 0) return &slot.peer;
    }
    return nullptr;
  }
  std::size_t size() const { return size_; }

 private:
  // The alignment keeps an IPv4 slot in one cache line.
  struct alignas(32) Slot {
    Number base;
    PeerEntry peer;  // port 0: the slot is free
  };
  static_assert(sizeof(Slot) <= (Number::kFamily == Family::v4 ? 32 : 64));
  // A hash table of all subnets of one prefix length: open addressing, at most half full.
  struct Level {
    Number mask;
    int shift = 0;  // the hash keeps the top 64 - shift bits
    std::vector<Slot> slots;
  };

  static Level make_level(std::uint8_t bits, std::size_t count) {
    IpAddress ones{.family = Number::kFamily, .bytes = {}};
    ones.bytes.fill(0xff);
    const std::size_t slots = std::bit_ceil(2 * count);
    return {.mask = Number::of(IpPrefix::of(ones, bits).base),
            .shift = 64 - std::countr_zero(slots),
            .slots = std::vector<Slot>(slots)};
  }

  // Returns the index of the slot of `base`, or of the free slot where it would be.
  static std::size_t place(const Level& level, const Number& base) {
    // Subnet bases differ in few, regular bits; multiplying by the golden ratio spreads them.
    auto at = static_cast<std::size_t>((base.folded() * 0x9e3779b97f4a7c15ULL) >> level.shift);
    while (level.slots[at].peer.endpoint.port != 0 && !(level.slots[at].base == base))
      at = (at + 1) & (level.slots.size() - 1);
    return at;
  }

  // False: the subnet was there.
  static bool insert(Level& level, const OverlayPeer& peer, std::uint32_t number) {
    assert(peer.endpoint.port != 0);
    const Number base = Number::of(peer.subnet.base);
    Slot& slot = level.slots[place(level, base)];
    const bool is_new = slot.peer.endpoint.port == 0;
    slot = {base, {peer.endpoint, number}};
    return is_new;
  }

  std::vector<Level> levels_;  // longest prefix first
  std::size_t size_ = 0;
};

}  // namespace flannel
