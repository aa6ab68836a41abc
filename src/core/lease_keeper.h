// SPDX-License-Identifier: Apache-2.0
// Keeps the lease of this host: the state machine that keeper_state.h draws, without I/O. The
// runner in src/daemon passes events to it and executes its acts; the time is an argument. An event
// that the state does not expect, such as an answer to a call that is not under way, is a bug of
// the caller and fails an assertion.
//
// A failed call is retried for ever. The pauses double from 1 s (0.2 s while the lease is lost) to
// a tenth of the life of the lease, at most 30 s, and half of each pause is random. A refused call
// means that another host was faster: the keeper lists the records at once and chooses again. The
// fourth refusal in a row counts as a failure. Whatever the store does, the data plane stays as it
// is.
//
// The keeper never exchanges a subnet of ours for another, unless KeeperOptions::renumber is set:
// if the record is gone the keeper writes it again, and if another host has the subnet the keeper
// reports this and retries. It takes over a record that another node wrote under our public IP,
// since that node may be this host before it lost its node id. If that node writes the record again
// within 30 s, the keeper gives it back.
//
// When the configuration begins or ceases to have a family, the keeper creates a record with the
// subnet that it keeps, lists, and only then deletes its former record: at each moment a record
// protects the subnet. A keeper that finds both records, after a crash, continues there. While
// another host's record prevents the exchange, the keeper reports this and lists again, with pauses
// that grow from a minute to an hour and are short again when the watch shows that a record is
// gone.
//
// While the host is drained, the keeper deletes each record that it would otherwise take for its
// own, also one that comes back, except a reservation. It remembers its subnets, and takes the
// lease again when it is undrained.
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
  // Returns what to announce, except the node. `previous`: our record of an earlier run, whose VTEP
  // MAC peers know; null: there is none.
  using Announce = std::function<LeaseAttributes(const Lease* previous)>;

  LeaseKeeper(KeeperOptions options, NetworkConfig config, PublicIps public_ips, Announce announce,
              std::optional<SubnetKey> previous, Random random);

  std::vector<KeeperAct> start(TimePoint now);
  // In place of start(): goes on with the lease of an earlier run, whose record is `record`, as if
  // this keeper had held it since. It ends at `expires` (kNever: a reservation) if it is not
  // renewed, and the store granted `life` last. Renews it, or writes what is announced now.
  std::vector<KeeperAct> resume(TimePoint now, const Lease& lease, Record record, TimePoint expires,
                                Duration life);

  // The answers of the store to the acts. `sent` is the time of the call, from which a TTL counts.
  std::vector<KeeperAct> on_snapshot(TimePoint now, Result<Snapshot> snapshot);
  std::vector<KeeperAct> on_written(TimePoint now, TimePoint sent, Result<WriteResult> written);
  std::vector<KeeperAct> on_renewed(TimePoint now, TimePoint sent, Result<WriteResult> renewed);
  std::vector<KeeperAct> on_released(TimePoint now, Result<void> released);

  // To be called with every change of a record that the watch reports; changes of other keys are
  // ignored. The report of our own write, before or after its answer, has no effect. If an operator
  // removes the TTL of our record, the lease becomes a reservation. Another value under our public
  // IP is replaced by ours.
  std::vector<KeeperAct> on_change(TimePoint now, const Change& change);

  // To be called when the watch shows another host's lease in a subnet of ours, and our record is
  // not the older one: a list decides. The keeper holds its lease until then.
  std::vector<KeeperAct> on_older_lease();

  // To be called when the store is reachable again: starts a waiting retry or renewal now. A
  // renewal cannot wait, since the outage may have been longer than our clock shows (which stands
  // still while a hypervisor stops the machine).
  std::vector<KeeperAct> try_now(TimePoint now);
  // Starts the renewals and retries that are due.
  std::vector<KeeperAct> tick(TimePoint now);
  TimePoint next_wakeup() const;

  // To be called when the result of `announce` (for example the public IP) or our node has changed:
  // updates the record.
  std::vector<KeeperAct> reannounce(TimePoint now, std::optional<NodeTag> node = std::nullopt);

  // To be called when the configuration has changed. The lease keeps its subnets; a record with the
  // families of the new configuration takes the place of ours. If that is not possible now, ours
  // stays, and another attempt follows.
  std::vector<KeeperAct> reconfigure(TimePoint now, NetworkConfig config);

  // To be called when --subnet-lease-renew-margin or --on-subnet-loss has changed. With another
  // margin the lease is renewed at once, since the former one decided the time of its next renewal.
  std::vector<KeeperAct> set_options(TimePoint now, std::chrono::seconds renew_margin,
                                     bool renumber);

  // To be called when the host is drained, also in place of start(), and when it no longer is. A
  // repeated call has no effect. A keeper that begins drained holds on to the subnets of an earlier
  // run, since containers may run in them: lease() has them, if the network allows them.
  std::vector<KeeperAct> drain(TimePoint now);
  std::vector<KeeperAct> undrain(TimePoint now);

  // To be called when another store is used from now on, before its list is passed on. There our
  // record has another revision and another life. `has_lease`: this host has its lease there, too.
  // Otherwise the keeper leases another subnet if another host turns out to have ours: the lease
  // may never have been valid, because its store was no longer the one that decides.
  void on_other_store(bool has_lease);

  LeasePhase phase() const { return keeper::phase_of(keeper::name_of(state_)); }
  // Returns our current or last lease; nullopt before the first one.
  const std::optional<Lease>& lease() const { return lease_; }
  // Returns when the lease ends if the store never answers again; kNever: none, or a reservation.
  TimePoint expires() const { return expires_; }
  // Returns the TTL of the last grant; 0: there was none.
  Duration life() const { return life_; }
  // The record of the lease as the store has it, with the life that expires() says; null: this is
  // not known, or there is no lease.
  const Record* record() const;

 private:
  using Acts = std::vector<KeeperAct>;
  // The worst report since the last success; withdrawn: we have deleted the record ourselves.
  enum class Alarm { none, failure, withdrawn, lost };
  struct Target {
    Lease lease;
    std::string value;  // the text of the record
  };
  // Writes of our record that are due.
  struct Due {
    bool reannounce = false;  // after the answer to the call that is under way
    // Also if the record does not change: other flannel releases remove a subnet with one record of
    // it, although another record has it as well.
    bool rewrite = false;
  };
  // The records that overlap the subnets of a lease; null: none.
  struct Holders {
    const Record* at_key = nullptr;  // the record with the key of the lease, of any host
    const Record* own = nullptr;     // that record, if it is ours
    const Record* former = nullptr;  // another record of ours with one of the subnets
    std::string by;                  // another host that has a subnet, and its record; empty: none
    bool is_outranked = false;       // its record is older than our lease, so all hosts use that
  };
  struct NewRecord {
    SubnetKey subnet;
    const Lease* seen = nullptr;  // our record of an earlier run, as in Announce
    Ttl ttl;
    bool has_former = false;  // another record of ours is there, in whose place this one is
  };

  // lease_keeper.cc: calls, answers and times
  void enter(keeper::State next) {
    looked_at_from_.reset();
    keeper::change_state(state_, std::move(next));
  }
  Record* own_record() { return keeper::active_record_in(state_); }
  void list(Acts& acts);
  void list_again(Acts& acts);
  void pause(TimePoint now);
  TimePoint retry_at(TimePoint now);
  void report(Error error, Acts& acts);
  void on_refused(TimePoint now, Error error, Acts& acts);
  void on_update_failed(TimePoint now, Acts& acts);
  TimePoint set_life(TimePoint sent, const WriteResult& granted);
  void on_confirmed(TimePoint now, Record record, TimePoint wake_at, Acts& acts);
  void update(TimePoint now, Record record, Acts& acts);
  void enter_update(Record record, keeper::Update update);
  void refresh(TimePoint now, Acts& acts);
  void refresh_if_changed(TimePoint now, Acts& acts);
  bool has_configured_families() const;

  // lease_acquiring.cc: from a snapshot to a record of ours
  void acquire(TimePoint now, const Snapshot& snapshot, Acts& acts);
  void choose(TimePoint now, const DecodedRecords& records, Acts& acts);
  void carry_out(TimePoint now, const SubnetChoice& choice, Acts& acts);
  Result<SubnetChoice> choose_exchange(const DecodedRecords& records) const;
  void exchange(TimePoint now, const Snapshot& snapshot, Acts& acts);
  void end_exchange();
  void try_exchange_sooner(TimePoint now);
  void reclaim(TimePoint now, const Snapshot& snapshot, Acts& acts);
  void adopt(TimePoint now, const Record& record, const SubnetKey& subnet, const Lease* seen,
             Acts& acts);
  void create(const NewRecord& record, Acts& acts);
  void discard_record(const Record& record, Acts& acts);
  Holders holders_of(const SubnetKey& subnet, const Snapshot& snapshot) const;
  bool overlaps_in_network(const SubnetKey& other, const SubnetKey& ours) const;
  void on_taken(TimePoint now, const std::string& by, Acts& acts);
  void report_lost(const std::string& reason, Acts& acts);
  void set_target(const SubnetKey& subnet, const Lease* seen);
  bool is_ours(const SubnetKey& subnet, const LeaseAttributes& record) const;
  bool is_free_copy(const Record& record) const;
  bool is_contested(TimePoint now, const Record& there) const;
  void give_way(Acts& acts);

  // lease_draining.cc: the withdrawal of our records
  bool answers_earlier_call(Acts& acts);
  void survey(Acts& acts, bool begins = false);
  void on_survey(TimePoint now, const Snapshot& snapshot, Acts& acts);
  void announce_as_in(const Record& record);
  bool is_record_of_ours(const Record& record) const;
  void withdraw_again(TimePoint now, Acts& acts);
  bool concerns_drained(const Change& change) const;
  void hold_previous_subnets();

  // lease_watching.cc: changes of our record by others
  void process_changes(TimePoint now, Acts& acts);
  void on_own_put(TimePoint now, const Record& record, Acts& acts);
  void on_own_gone(TimePoint now, Revision revision, Acts& acts);
  void verify(TimePoint now, Acts& acts);
  void write_back(TimePoint now, Acts& acts);
  bool is_written_repeatedly(TimePoint now);

  KeeperOptions options_;
  NetworkConfig config_;
  PublicIps public_ips_;
  Announce announce_;
  std::optional<SubnetKey> previous_;
  Random random_;

  keeper::State state_;
  Alarm alarm_ = Alarm::none;
  std::optional<Lease> lease_;
  std::optional<Target> target_;  // the desired content of our record
  TimePoint expires_ = kNever;
  Duration life_{};
  bool life_is_known_ = true;  // false: another process has written our record, with another life
  std::map<std::string, Change> changes_;  // the last of each key while a call was under way
  Due due_;
  // The next attempt to exchange our record for one with other families; kNever: none is due.
  TimePoint exchange_at_ = kNever;
  std::optional<Error> exchange_error_;  // of the last attempt
  // The state in which a list for an exchange was begun. It goes on if the list fails.
  std::optional<keeper::Active> looked_at_from_;
  bool other_store_ = false;  // our record in the store of now has not been seen yet
  bool yields_ = false;       // another host's right to our subnet is the better one

  Backoff backoff_;
  Backoff lost_backoff_;      // shorter, since the peers wait for a lost lease to return
  unsigned refusals_ = 0;     // in a row
  Backoff write_back_pause_;  // while another process writes our record again and again
  Backoff exchange_pause_;
  std::optional<TimePoint> last_write_back_;
  std::optional<std::pair<NodeTag, TimePoint>> taken_over_;  // the writer of the record, and when
};

}  // namespace flannel
