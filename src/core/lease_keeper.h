// SPDX-License-Identifier: Apache-2.0
// Keeps the lease of this host: the state machine that keeper_state.h draws, without I/O. The
// runner in src/daemon passes events to it and executes its acts; the time is an argument. An event
// that the state does not expect, such as an answer to a call that is not under way, is a bug of
// the caller and fails an assertion.
//
// A failed call is retried for ever, after a jittered pause that doubles from 0.5 s to 30 s or a
// tenth of the life of the lease, and from 0.1 s while the lease is lost. After a refused call,
// which means a lost race, the records are listed at once; the fourth refusal in a row counts as a
// failure. Whatever the store does, the data plane stays as it is. A subnet that was ours is never
// exchanged for another, unless KeeperOptions::renumber is set: if its record is gone it is written
// again, and if another host has it this is reported and retried. A record that another node wrote
// under our public IP may be ours from before our node id was lost, so it is taken over. For 30 s
// it is given back to that node if the node writes it again.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "core/keeper_acts.h"
#include "core/keeper_options.h"
#include "core/keeper_state.h"
#include "core/lease.h"
#include "core/lease_phase.h"
#include "core/network_config.h"
#include "core/registry.h"
#include "core/subnet_picking.h"

namespace flannel {

class LeaseKeeper {
 public:
  // What to announce, but for the node, given the own record of an earlier run if there is one (a
  // VTEP MAC that peers already know is kept).
  using Announce = std::function<LeaseAttributes(const Lease* previous)>;

  LeaseKeeper(KeeperOptions options, NetworkConfig config, Ip4 public_ip, Announce announce,
              std::optional<Cidr4> previous, Random random);

  std::vector<KeeperAct> start(TimePoint now);

  // Answers to the acts. `sent` is when the call was made: a TTL counts from there.
  std::vector<KeeperAct> on_snapshot(TimePoint now, Result<Snapshot> snapshot);
  std::vector<KeeperAct> on_written(TimePoint now, TimePoint sent, Result<WriteResult> held);
  std::vector<KeeperAct> on_renewed(TimePoint now, TimePoint sent, Result<WriteResult> held);
  std::vector<KeeperAct> on_released(TimePoint now, Result<void> released);

  // To be called with every change of a record that the watch reports; those of other keys are
  // ignored. A put that is our own write, reported before or after its answer, has no effect; a
  // removed TTL turns the lease into a reservation; another value under our public IP is replaced
  // by ours.
  std::vector<KeeperAct> on_change(TimePoint now, const Change& change);

  // The store is reachable again: a waiting retry is due, and so is a renewal, since the length of
  // the outage is not known (the clock stands still while a hypervisor stops the machine).
  std::vector<KeeperAct> try_now(TimePoint now);
  // Starts the renewals and retries that are due.
  std::vector<KeeperAct> tick(TimePoint now);
  TimePoint next_wakeup() const;

  // The result of `announce` (for example the public IP) or our node has changed: updates the
  // record.
  std::vector<KeeperAct> reannounce(TimePoint now, std::optional<NodeTag> node = std::nullopt);
  // Leaves in order and ends with the phase idle. A reservation belongs to the operator and stays.
  std::vector<KeeperAct> release(TimePoint now);

  LeasePhase phase() const { return keeper::phase_of(keeper::name_of(state_)); }
  // Returns our current or last lease; nullopt before the first one.
  const std::optional<Lease>& lease() const { return lease_; }
  // Returns when the lease ends if the store never answers again; kNever for a reservation or none.
  TimePoint expires() const { return expires_; }
  // For how long it was granted last.
  Duration life() const { return life_; }

 private:
  using Acts = std::vector<KeeperAct>;
  enum class Goal { keep, leave };           // the lease
  enum class Alarm { none, failure, lost };  // the worst that was reported since the last success
  struct Target {
    Lease lease;
    std::string value;  // the text of its record
  };

  // lease_keeper.cc: what every state does
  void enter(keeper::State next);
  Record* own_record() { return keeper::active_record_in(state_); }
  std::optional<Record> known_record() const;
  void list(Acts& acts);
  TimePoint retry_at(TimePoint now);
  void report(Error error, Acts& acts);
  void refused(TimePoint now, Error error, Acts& acts);
  void update_failed(TimePoint now, Acts& acts);
  TimePoint granted(TimePoint sent, const WriteResult& held);
  void on_confirmed(TimePoint now, Record record, TimePoint wake_at, Acts& acts);
  void update(TimePoint now, Record record, Acts& acts);
  void enter_update(Record record, keeper::Update update);
  void refresh(TimePoint now, Acts& acts);
  void refresh_if_changed(TimePoint now, Acts& acts);
  void leave(std::optional<Record> record, Acts& acts);

  // lease_acquiring.cc: from a list to a record
  void acquire(TimePoint now, const Snapshot& snapshot, Acts& acts);
  void find_what_to_leave(const Snapshot& snapshot, Acts& acts);
  void choose(TimePoint now, const DecodedRecords& records, Acts& acts);
  void reclaim(TimePoint now, const Snapshot& snapshot, Acts& acts);
  void adopt(TimePoint now, const Record& record, const Lease* seen, Acts& acts);
  void create(const SubnetKey& subnet, const Lease* seen, Acts& acts);
  void taken(TimePoint now, const std::string& by, Acts& acts);
  void report_lost(const std::string& reason, Acts& acts);
  void set_target(const SubnetKey& subnet, const Lease* seen);
  bool is_ours(const SubnetKey& subnet, const LeaseAttributes& record) const;
  bool is_contested(TimePoint now, const LeaseAttributes& record) const;
  void give_way(Acts& acts);

  // lease_watching.cc: what others do to our record
  void process_heard_changes(TimePoint now, Acts& acts);
  void own_put(TimePoint now, const Record& record, Acts& acts);
  void own_gone(TimePoint now, Revision revision, Acts& acts);
  void verify(TimePoint now, Acts& acts);
  void write_back(TimePoint now, Acts& acts);

  KeeperOptions options_;
  NetworkConfig config_;
  Ip4 public_ip_;
  Announce announce_;
  std::optional<Cidr4> previous_;
  Random random_;

  keeper::State state_;
  Goal goal_ = Goal::keep;
  Alarm alarm_ = Alarm::none;
  std::optional<Lease> lease_;
  std::optional<Target> target_;  // what the record shall be
  TimePoint expires_ = kNever;
  Duration life_{};
  std::map<std::string, Change> heard_;  // last changes while a call was under way, by key
  bool reannounce_ = false;              // once the call that is under way is answered

  Backoff backoff_;
  Backoff lost_backoff_;  // while peers wait for a lost lease to be put back
  unsigned races_ = 0;    // refusals in a row
  Backoff write_back_pause_;
  std::optional<TimePoint> last_write_back_;
  std::optional<std::pair<NodeTag, TimePoint>> taken_over_;  // whose record, and when
};

}  // namespace flannel
