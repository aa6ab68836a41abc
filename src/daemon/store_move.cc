// SPDX-License-Identifier: Apache-2.0
#include "daemon/store_move.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/problem_kinds.h"
#include "core/go_json.h"
#include "core/record_limits.h"

namespace flannel {
namespace {

constexpr auto kOpenRetry = std::chrono::seconds(30);

}  // namespace

StoreMove::StoreMove(Parts parts) : parts_(std::move(parts)) {}

void StoreMove::on_config(const std::optional<ConfigRecord>& config) {
  // The notes that were read last hold. ConfigFollower says that a text is no configuration at all.
  if (!config || !JsonObject::parse(config->text, "the network config")) return;
  auto notes = read_move_notes(config->text);
  if (!notes) {
    set_problem(make_problem(kMoveNoteUnreadable, "",
                             "the note about a move cannot be read: " + notes.error().text));
    return;
  }
  if (notes_ == *notes) return;
  notes_ = *std::move(notes);
  set_problem({});
  due_.arm(parts_.loop.now());
}

bool StoreMove::decides(std::span<const Record> records, const NodeId& node) const {
  if (!notes_ || (notes_->to && notes_->to->retired)) return false;
  if (!notes_->from || notes_->from->retired) return true;
  // The old store is retired, but leases that were made there last may not have been copied yet. A
  // host that has its own lease here needs no other.
  return notes_->from->id == arrived_by_ && std::ranges::any_of(records, [&](const Record& record) {
           const auto lease = decode_lease(record);
           return lease && lease->node && lease->node->id == node;
         });
}

void StoreMove::on_lease(const Lease& lease) {
  const auto before = std::exchange(lease_, lease);
  const bool was_drained = std::exchange(drained_, false);
  if (was_drained && other_ && other_->runner) other_->runner->undrain();
  if (!other_ || before == lease) return;
  if (before && before->subnet == lease.subnet && other_->runner) {
    other_->runner->rename(*lease.attributes.node);
  } else {
    watch_other(other_->id, other_->registry);  // begins anew, with the lease
  }
}

void StoreMove::drain(const std::optional<Lease>& held) {
  drained_ = true;
  if (held) lease_ = held;
  if (other_ && other_->runner) other_->runner->drain();
}

std::optional<Problem> StoreMove::problem() const {
  if (problem_ || !other_) return problem_;
  if (!notes_) {
    const std::string store = parts_.store.describe();
    return make_problem(kMoveOldStoreSilent, store,
                        store + " decides until it is retired, and has not answered yet");
  }
  const std::string place = other_->registry->describe();
  std::string why = other_->follower->last_error();
  if (why.empty() && other_->runner && other_->runner->problem()) {
    why = other_->runner->problem()->text;
  }
  if (why.empty()) return {};
  return make_problem(
      kMoveNotFollowed, place,
      fmt::format("cannot follow the move to {}: {}; the store of before decides, packets go on",
                  place, why));
}

void StoreMove::evaluate() {
  if (is_other_retired()) {
    leave_for_new({.id = other_->id, .store = {}, .retired = true});
  } else if (notes_ && notes_->to && notes_->to->retired && !running_) {
    leave_for_new(*notes_->to);
  } else if (notes_ && notes_->to) {
    follow(*notes_->to);
  } else if (notes_ && notes_->from && !notes_->from->retired && notes_->from->id != arrived_by_) {
    turn_back_to_old(*notes_->from);
  } else if (notes_) {
    steps_.clear();
    stop_following();
    const bool completing = notes_->from && !notes_->from->retired && !running_;
    set_problem(completing ? std::optional(make_problem(kMoveIncomplete, parts_.store.describe(),
                                                        "the move to this store is not complete"))
                           : std::nullopt);
  }
}

void StoreMove::follow(const MoveNote& note) {
  if (other_ && other_->id == note.id) return;
  if (auto registry = open(note)) {
    log::info("the cluster moves to another store; this host follows",
              {{"from", parts_.store.describe()}, {"to", registry->describe()}});
    watch_other(note.id, std::move(registry));
  }
}

// Replaces `other_`.
void StoreMove::watch_other(std::string id, std::shared_ptr<Registry> registry) {
  other_.reset();
  other_ = std::unique_ptr<Other>(
      new Other{.id = std::move(id), .registry = registry, .door = {registry, parts_.loop}});
  other_->follower = std::make_unique<StoreFollower>(
      other_->door, parts_.loop, parts_.random,
      StoreFollower::Listener{
          .on_snapshot = [this](const Snapshot& snapshot) { on_other_snapshot(snapshot); },
          .on_changes = [this](const std::vector<Change>& changes) { on_other_changes(changes); },
          .on_connection = [this] { parts_.on_state(); },
          .on_resumed =
              [this] {
                if (other_->runner) other_->runner->on_resumed();
              }});
  other_->follower->start();
}

void StoreMove::on_other_snapshot(const Snapshot& snapshot) {
  on_other_config(snapshot.config);
  if (other_->runner) return other_->runner->on_snapshot(snapshot);
  if (!lease_) return;
  other_->runner = std::make_unique<LeaseRunner>(
      parts_.make_keeper(*lease_, [this](const Lease*) { return lease_->attributes; }),
      other_->door, *other_->follower, parts_.loop,
      LeaseRunner::Listener{
          .on_active =
              [this](const Lease& lease) {
                log::info(
                    "our lease stands in the store that the cluster moves to, too",
                    {{"subnet", to_string(lease.subnet)}, {"store", other_->registry->describe()}});
              },
          .on_state = [this] { parts_.on_state(); }});
  if (drained_) return other_->runner->drain(&snapshot);
  other_->runner->start(snapshot);
}

void StoreMove::on_other_changes(const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    if (const auto* put = std::get_if<ConfigPut>(&change)) {
      on_other_config(put->config);
    } else if (other_->runner) {
      other_->runner->on_change(change);
    }
  }
}

void StoreMove::on_other_config(const std::optional<ConfigRecord>& config) {
  if (!config) return;
  if (auto notes = read_move_notes(config->text)) other_->notes = *std::move(notes);
  due_.arm(parts_.loop.now());
}

// The new store is the only one now. An operator may have said so there alone, because the old
// store is lost.
bool StoreMove::is_other_retired() const {
  if (!other_ || !other_->notes) return false;
  const auto& from = other_->notes->from;
  return from && from->retired && from->id == other_->id;
}

void StoreMove::leave_for_new(const MoveNote& note) {
  if (!steps_.insert("to " + note.id).second) {
    return set_problem(
        make_problem(kMoveCircle, parts_.store.describe(),
                     "the notes about moves lead in a circle; this host stays with this store: " +
                         parts_.store.describe()));
  }
  auto next = other_ && other_->id == note.id ? other_->registry : open(note);
  if (!next) {
    steps_.erase("to " + note.id);
    return;
  }
  log::info("the earlier store is retired; this host uses the new one alone",
            {{"from", parts_.store.describe()}, {"to", next->describe()}});
  const bool has_lease = other_ && other_->runner && other_->runner->keeper().lease();
  other_.reset();
  arrived_by_ = note.id;
  address_ = note.store;
  use(std::move(next), has_lease);
}

// This store has copies, and the old one decides.
void StoreMove::turn_back_to_old(const MoveNote& note) {
  if (running_) {
    const std::string from = to_string(note.store);
    return set_problem(make_problem(
        kMoveElsewhere, from,
        fmt::format("this store says that it is the target of a move from {}, where this host is "
                    "not",
                    from)));
  }
  if (!steps_.insert("from " + note.id).second) {
    return set_problem(
        make_problem(kMoveCircle, parts_.store.describe(),
                     "the notes about moves lead in a circle; this host takes no lease"));
  }
  auto old = open(note);
  if (!old) {
    steps_.erase("from " + note.id);
    return;
  }
  log::info(
      "the cluster is still moving to this store; the earlier one decides until it is retired",
      {{"to", parts_.store.describe()}, {"from", old->describe()}});
  watch_other(note.id, parts_.store.current());
  address_ = note.store;
  use(std::move(old), false);
}

void StoreMove::stop_following() {
  if (!other_) return;
  log::info("the move is given up; this host uses one store",
            {{"store", parts_.store.describe()}, {"not", other_->registry->describe()}});
  other_.reset();
  parts_.on_state();
}

// Returns null if the store cannot be opened; it is tried again later.
std::shared_ptr<Registry> StoreMove::open(const MoveNote& note) {
  auto opened = parts_.open(note.store);
  if (opened) {
    set_problem({});
    return *std::move(opened);
  }
  const std::string place = to_string(note.store);
  set_problem(make_problem(kMoveNotFollowed, place,
                           fmt::format("cannot follow the move between this store and {}: {}",
                                       place, opened.error().text)));
  due_.arm_after(kOpenRetry);
  return nullptr;
}

void StoreMove::use(std::shared_ptr<Registry> store, bool has_lease) {
  notes_.reset();
  set_problem({});
  parts_.store.switch_to(std::move(store));
  parts_.on_switched(has_lease);
  parts_.on_state();
}

void StoreMove::set_problem(std::optional<Problem> problem) {
  if (problem == problem_) return;
  problem_ = std::move(problem);
  parts_.on_state();
}

}  // namespace flannel
