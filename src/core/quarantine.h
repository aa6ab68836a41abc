// SPDX-License-Identifier: Apache-2.0
// The records that cannot be used. Very many of them cost little: of each kind the first are kept
// by name, the others are a number, and what is asked for after a change is about that change.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/registry.h"

namespace flannel {

enum class QuarantineKind {
  unreadable,  // no subnet key, or no lease
  unusable,    // a lease, but not of this network or of no host
  outranked,   // in order by itself, but an older lease stands in its way
  // Two hosts cannot be told apart:
  our_ip_by_other_node,  // another node says that our public IP is its own
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

  // Of each kind, so that many of one kind hide none of another.
  static constexpr std::size_t kMostNamed = 100;
  static constexpr std::size_t kNameAll = std::numeric_limits<std::size_t>::max();

  explicit Quarantine(std::size_t most_named = kMostNamed) : most_named_(most_named) {}

  // In place of what is known of this key.
  void put(QuarantinedRecord record);
  void erase(const std::string& key);

  // Between the two, put() tells of all records there are. Those that have a name keep it.
  void begin_list();
  void end_list();

  // Ordered by key.
  const Named& named() const { return named_; }
  // The others; each takes the memory of a hash of its key, some 48 bytes. They get a name when
  // they change, or with the next list, if there is room then.
  std::size_t unnamed() const { return unnamed_.size(); }

  // Another one after each change of the above.
  std::uint64_t version() const { return version_; }
  // What was given a name or another reason since this was asked for last, by key.
  std::vector<QuarantinedRecord> take_news();

 private:
  static constexpr std::size_t kKinds = 5;

  std::size_t& count_of(QuarantineKind kind) { return counts_[static_cast<std::size_t>(kind)]; }

  std::size_t most_named_;
  Named named_;
  std::array<std::size_t, kKinds> counts_{};  // named ones, and those in `listed_before_`
  Named listed_before_;                       // named before the list, and not yet met in it
  std::set<std::uint64_t> unnamed_;           // hashes of keys; a tree, so that no choice of keys
                                              // makes it slow. Equal hashes count as one record.
  std::set<std::string> news_;                // keys of named ones
  std::uint64_t version_ = 0;
};

}  // namespace flannel
