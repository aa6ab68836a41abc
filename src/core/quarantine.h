// SPDX-License-Identifier: Apache-2.0
// The records that cannot be used. Very many of them cost little: the first of each kind are held
// by name, and the others are only counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "core/lease.h"
#include "core/store_feed.h"

namespace flannel {

enum class QuarantineKind {
  unreadable,  // the key is no subnet, or the value no lease
  unusable,    // a lease outside of the network, or with an address that no host can have
  outranked,   // a usable lease that overlaps an older one
  // Two hosts cannot be distinguished:
  our_ip_by_other_node,  // another node announces our public IP
  same_mac,              // an older lease of another public IP announces the same VTEP MAC
};

struct QuarantinedRecord {
  std::string key;
  std::string reason;
  Revision revision = 0;
  QuarantineKind kind = QuarantineKind::unreadable;
  bool is_alarm() const {
    return kind == QuarantineKind::our_ip_by_other_node || kind == QuarantineKind::same_mac;
  }
  bool operator==(const QuarantinedRecord&) const = default;
};

class Quarantine {
 public:
  using Named = std::map<std::string, QuarantinedRecord>;

  // The limit for each kind, so that many records of one kind hide no other kind.
  static constexpr std::size_t kMostNamed = 100;
  static constexpr std::size_t kNameAll = std::numeric_limits<std::size_t>::max();

  explicit Quarantine(std::size_t most_named = kMostNamed) : most_named_(most_named) {}

  // Replaces the entry of this key.
  void put(QuarantinedRecord record);
  void erase(const std::string& key);
  // The same for the key of a lease. Costs nothing as long as the quarantine is empty.
  void erase(const SubnetKey& lease);

  // Between begin_list() and end_list() the caller puts all existing records. A record that is held
  // by name is then still held by name.
  void begin_list();
  void end_list();

  // Ordered by key.
  const Named& named() const { return named_; }
  // True if a record of this kind is held by name, as at least one is if there are any.
  bool has(QuarantineKind kind) const;
  // The number of the others. Each takes some 48 bytes, for a hash of its key. They are held by
  // name after a change or with the next list, if there is room then.
  std::size_t unnamed() const { return unnamed_.size(); }

  // Changes with each change of the quarantine.
  std::uint64_t version() const { return version_; }

 private:
  static constexpr std::size_t kKinds = 5;

  std::size_t& count_of(QuarantineKind kind) { return counts_[static_cast<std::size_t>(kind)]; }

  std::size_t most_named_;
  Named named_;
  std::array<std::size_t, kKinds> counts_{};  // named records, and those in `listed_before_`
  Named listed_before_;                       // named before the list, and not yet listed
  // Hashes of keys; equal ones are counted once. A tree, because no choice of keys makes it slow.
  std::set<std::uint64_t> unnamed_;
  std::uint64_t version_ = 0;
};

}  // namespace flannel
