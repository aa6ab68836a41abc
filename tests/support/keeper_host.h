// SPDX-License-Identifier: Apache-2.0
// A host that consists only of a lease keeper and uses a simulated store. Each call to the store is
// two steps, so that other events can happen between its effect and its answer.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/lease_keeper.h"
#include "support/simulated_store.h"

namespace flannel {

class KeeperHost {
 public:
  KeeperHost(SimulatedStore& store, LeaseKeeper lease_keeper)
      : keeper(std::move(lease_keeper)), store_(store), delivered_(store.log.size()) {}
  KeeperHost(const KeeperHost&) = delete;

  LeaseKeeper keeper;

  void start() { perform(keeper.start(store_.now)); }
  void perform_now(std::vector<KeeperAct> acts) { perform(std::move(acts)); }
  void tick() { perform(keeper.tick(store_.now)); }
  void try_now() { perform(keeper.try_now(store_.now)); }
  void reconfigure(const NetworkConfig& config) { perform(keeper.reconfigure(store_.now, config)); }
  void set_options(std::chrono::seconds renew_margin, bool renumber) {
    perform(keeper.set_options(store_.now, renew_margin, renumber));
  }
  void drain() { perform(keeper.drain(store_.now)); }
  void undrain() { perform(keeper.undrain(store_.now)); }
  void reannounce() { perform(keeper.reannounce(store_.now)); }

  // A call waits for carry_out(); its answer waits for reply().
  bool calls() const { return static_cast<bool>(call_); }
  bool answered() const { return static_cast<bool>(answer_); }
  // Executes the call in the store. `away`: without effect; `reply_lost`: with effect, but the
  // answer is a failure.
  enum class Fate { done, reply_lost, away };
  void carry_out(Fate fate = Fate::done) { answer_ = std::exchange(call_, nullptr)(fate); }
  void reply() { perform(std::exchange(answer_, nullptr)()); }
  void answer(Fate fate = Fate::done) {
    carry_out(fate);
    reply();
  }

  bool has_changes() const { return delivered_ < store_.log.size(); }
  void deliver_change() { perform(keeper.on_change(store_.now, store_.log[delivered_++])); }
  void deliver_changes() {
    while (has_changes())
      deliver_change();
  }
  // Runs until all calls are answered and all changes are delivered.
  void finish_calls() {
    deliver_changes();
    while (calls() || answered()) {
      if (calls()) carry_out();
      deliver_changes();
      reply();
    }
  }
  // Advances the time to the next wakeup of the keeper and calls tick().
  void wait() {
    const TimePoint next = keeper.next_wakeup();
    if (next == kNever) return log("waits for ever");
    if (next > store_.now) store_.pass(next - store_.now);
    tick();
  }

  // Returns the calls and reports of the keeper since the last take_log().
  std::string take_log() { return std::exchange(log_, {}); }

 private:
  using Answer = std::function<std::vector<KeeperAct>()>;

  void perform(std::vector<KeeperAct> acts) {
    for (KeeperAct& act : acts) {
      if (call_ || answer_) one_call_at_a_time = false;
      std::visit([this](auto& one) { act_on(one); }, act);
    }
  }
  void log(const std::string& text) { log_ += (log_.empty() ? "" : " | ") + text; }
  static std::string lasting(const Ttl& ttl) { return ttl ? "" : " for ever"; }

  void act_on(const TakeSnapshot&) {
    log("list");
    call_ = [this](Fate fate) -> Answer {
      if (fate != Fate::done) {
        return [this] { return keeper.on_snapshot(store_.now, away()); };
      }
      return [this, all = store_.snapshot()] { return keeper.on_snapshot(store_.now, all); };
    };
  }
  void act_on(const CreateRecord& act) {
    log("create " + act.key + lasting(act.ttl));
    write([this, act] { return store_.create(act.key, act.value, act.ttl); },
          &LeaseKeeper::on_written);
  }
  void act_on(const ReplaceRecord& act) {
    log("replace " + act.seen.key + lasting(act.ttl));
    write([this, act] { return store_.replace(act.seen, act.value, act.ttl); },
          &LeaseKeeper::on_written);
  }
  void act_on(const RenewRecord& act) {
    log("renew " + act.seen.key);
    write([this, act] { return store_.renew(act.seen, act.ttl); }, &LeaseKeeper::on_renewed);
  }
  void act_on(const ReleaseRecord& act) {
    log("release " + act.seen.key);
    call_ = [this, act](Fate fate) -> Answer {
      Result<void> done = fate == Fate::away ? away() : store_.release(act.seen);
      if (fate == Fate::reply_lost) done = away();
      return [this, done] { return keeper.on_released(store_.now, done); };
    };
  }
  void act_on(const ReportTakeOver& act) { log("takes over " + to_string(act.theirs.subnet)); }
  void act_on(const ReportDrained& act) {
    log("drained" + (act.reservation ? ", " + *act.reservation + " stays" : std::string()));
  }
  void act_on(const AnnounceActive& act) {
    log("active " + to_string(act.lease.subnet) + "@" + to_string(act.lease.attributes.public_ip));
  }
  void act_on(const ReportLost& act) { log("lost: " + act.reason); }
  void act_on(const ReportError& act) { log("error: " + act.error.text); }

  using OnDone = std::vector<KeeperAct> (LeaseKeeper::*)(TimePoint, TimePoint, Result<WriteResult>);
  void write(std::function<Result<WriteResult>()> call, OnDone on_done) {
    call_ = [this, call, on_done, sent = store_.now](Fate fate) -> Answer {
      Result<WriteResult> held = fate == Fate::away ? away() : call();
      if (fate == Fate::reply_lost) held = away();
      return [this, on_done, sent, held] { return (keeper.*on_done)(store_.now, sent, held); };
    };
  }
  static Failure away() { return fail(ErrorKind::unavailable, "store away"); }

 public:
  bool one_call_at_a_time =
      true;  // false after the keeper has made a call while another was under way

 private:
  SimulatedStore& store_;
  std::size_t delivered_;
  std::function<Answer(Fate)> call_;
  Answer answer_;
  std::string log_;
};

}  // namespace flannel
