// SPDX-License-Identifier: Apache-2.0
// The store of a simulated cluster: what every Registry promises, done at one moment each; with its
// history, its expiries, and all that can befall it. It watches over who writes what.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/registry.h"
#include "net/address.h"
#include "simulation/addresses.h"
#include "simulation/claims.h"
#include "simulation/fates.h"
#include "simulation/timeline.h"

namespace flannel::simulation {

// A host that writes: who it is, whatever its records say; and its addresses at present.
struct Writer {
  int host = 0;
  IpAddress first_ip;
  PublicIps ips;
};

class Store {
 public:
  using Violation = std::function<void(const std::string&)>;
  using Batch = std::shared_ptr<const std::vector<Change>>;
  using OnChange = std::function<void(Batch, Revision)>;

  Store(Timeline& timeline, Violation violation)
      : timeline_(timeline), violation_(std::move(violation)), fates_(timeline) {}

  // The longest time until a change reaches a host that is well.
  Duration heard_by = std::chrono::milliseconds(100);

  // A record ended because nobody renewed it.
  std::function<void(const Record&)> on_expired = [](const Record&) {};

  // ---- what a registry asks
  const Snapshot& snapshot() const;
  RemainingLives remaining_lives() const;
  Result<WriteResult> create(const Writer& who, const std::string& key, std::string value, Ttl ttl);
  Result<WriteResult> replace(const Writer& who, const Record& seen, std::string value, Ttl ttl);
  Result<WriteResult> check(const Record& seen) const;
  Result<WriteResult> extend(const Writer& who, const Record& seen, Ttl ttl);
  Result<void> release(const Writer& who, const Record& seen);
  // Nothing if the store has another name, or `from` is no place in the history that is kept; else
  // a number to end it with.
  std::optional<std::uint64_t> watch(std::uint64_t name, Revision from, const OnChange& on_change);
  // As the id of a cluster. A store that was restored may have kept it, with another history.
  std::uint64_t name() const { return name_; }
  void end_watch(std::uint64_t number) { watches_.erase(number); }

  // ---- what an operator or a stranger does
  void put(const std::string& key, const std::string& value, Ttl ttl);
  void remove(const std::string& key);
  void set_config(std::optional<std::string> text);

  // ---- what befalls it
  void compact();
  void extend_all();  // a new leader gives every lease its whole life again
  void back_up();
  // To the last backup, under another name or the same one; false: there is none.
  bool restore(bool renamed);
  void wipe(bool renamed);
  // Other programs write so often, elsewhere.
  void grow(Revision by) { revision_ += by; }
  // They do so until the store has passed every revision that it ever had.
  void grow_past_all() { revision_ = std::max(revision_, highest_) + 1; }

  // ---- what a judge asks
  Revision revision() const { return revision_; }
  const Record* find(const std::string& key) const;
  // By the first address of the host that has written it, as its node tells; without a node, of the
  // host whose address it names.
  IpAddress owner_of(const LeaseAttributes& attributes) const;
  // When the host of this first address last wrote under a node id, or after a boot, that the store
  // had not seen before.
  TimePoint renamed_at(IpAddress first_ip) const;
  const Claims& claims() const { return claims_; }
  const Fates& fates() const { return fates_; }
  // Like that of Fates, or the store went back in time.
  bool gave_cause_to_drop(const IpPrefix& subnet, IpAddress first_ip, Revision known) const;
  TimePoint held_until(const IpPrefix& subnet, IpAddress first_ip) const {
    return fates_.held_until(subnet, first_ip, heard_by);
  }
  // The host has a record without this subnet.
  bool lives_elsewhere(const IpPrefix& subnet, IpAddress first_ip) const;
  // The host has written one since then, which another host may have taken back.
  bool has_written_elsewhere(const IpPrefix& subnet, IpAddress first_ip, TimePoint since) const;
  // The last time that another configuration came into force, or the same one again.
  TimePoint configured_at() const { return configured_at_; }
  std::size_t history_length() const { return history_.size(); }
  void forget_history();  // as etcd's automatic compaction does

 private:
  struct Entry {
    Record record;
    Ttl ttl;
    TimePoint expires = kNever;
  };
  struct Event {
    Batch batch;
    Revision revision = 0;
  };
  struct Kept {
    std::map<std::string, Entry> records;
    std::optional<ConfigRecord> config;
    Revision revision = 0;
    Revision compacted = 0;
    std::deque<Event> history;
  };
  WriteResult write(const std::string& key, std::string value, Ttl ttl, ExpiryHandle handle);
  void know(const Writer& who, const std::string& key, const std::string& value);
  IpAddress owner_of(const std::string& value) const;
  void drop(const std::string& key);
  void publish(Change change);
  Result<const Entry*> unchanged(const Record& seen) const;
  void judge_writer(const Writer& who, const Entry& entry, const char* deed);
  void owner_begins(const Record& record);
  void owner_ends(const std::string& key, bool by_itself = false);
  void all_robbed();
  void watch_expiry(const std::string& key, TimePoint when);

  Timeline& timeline_;
  Violation violation_;
  std::map<std::string, Entry> records_;
  std::optional<ConfigRecord> config_;
  Revision revision_ = 1;
  Revision compacted_ = 0;  // a watch may begin with this revision
  Revision highest_ = 0;    // before it went back in time
  std::uint64_t name_ = 0;
  Revision back_in_time_ = 0;  // records up to this revision may be of another history
  std::int64_t handles_ = 0;
  std::uint64_t next_watch_ = 1;
  std::map<std::uint64_t, OnChange> watches_;
  std::deque<Event> history_;
  std::optional<Kept> backup_;
  mutable std::optional<Snapshot> listed_;  // what was listed last, of this revision
  Fates fates_;
  TimePoint configured_at_{};
  std::map<NodeTag, IpAddress> writers_;  // which host writes under this node, by its first address
  std::map<IpAddress, TimePoint> renamed_at_;
  std::map<IpAddress, std::map<std::string, TimePoint>> written_at_;  // by whom, with which key
  Claims claims_;
};

}  // namespace flannel::simulation
