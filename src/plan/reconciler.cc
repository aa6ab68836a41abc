// SPDX-License-Identifier: Apache-2.0
#include "plan/reconciler.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <iterator>
#include <span>

#include "base/log.h"
#include "plan/diff.h"

namespace flannel {
namespace {

constexpr Duration kSuspicion = std::chrono::milliseconds(20);  // notifications come in groups
constexpr Duration kSlowSync = std::chrono::seconds(60);
constexpr int kPatience = 10;           // corrective syncs in a row before the gap grows
constexpr std::size_t kLoggedEach = 8;  // objects of one batch with a log line each

bool is_link(const KernelChange& change) {
  return std::holds_alternative<Shared<Link>>(change.object);
}

// True if a difference would not show that the change is to be carried out. read() does not return
// objects outside of the scope. A peer of WireGuard equals one with another endpoint while that one
// works, and yet a lease that announces another endpoint is to have an effect.
bool is_hidden_from_diff(const KernelChange& change) {
  if (change.op == Op::remove) return !is_link(change);
  return std::holds_alternative<Shared<WireguardPeer>>(change.object);
}

bool any_link(const std::vector<KernelChange>& changes) {
  return std::any_of(changes.begin(), changes.end(), is_link);
}

std::string in_words(const KernelChange& change) {
  const std::string object = to_string(change.object);
  return change.op == Op::remove ? "remove " + object : object;
}

// Lets the first few objects of a batch be logged, and logs their total number if there are more.
class LimitedLog {
 public:
  explicit LimitedLog(std::string_view total) : total_(total) {}
  ~LimitedLog() {
    if (count_ > kLoggedEach) log::info(total_, {{"count", count_}});
  }
  LimitedLog(const LimitedLog&) = delete;
  LimitedLog& operator=(const LimitedLog&) = delete;
  bool next() { return ++count_ <= kLoggedEach; }

 private:
  std::string_view total_;
  std::size_t count_ = 0;
};

DesiredState::Parts parts_of(Reconciler::Peers peers) {
  DesiredState::Parts parts;
  parts.reserve(peers.size());
  for (auto& [peer, state] : peers)
    parts.emplace_back(peer, std::move(state));
  return parts;
}

void log_corrections(const std::vector<KernelChange>& changes) {
  LimitedLog limit("kernel objects corrected");
  for (const KernelChange& change : changes) {
    if (!limit.next()) continue;
    const bool route = change.op == Op::put && std::holds_alternative<Route>(change.object);
    log::info(route ? "Route recovered" : "kernel object corrected", {{"what", in_words(change)}});
  }
}

}  // namespace

void Reconciler::set_host(Scope scope, NetState host) {
  if (started_) {
    for (const std::string& name : scope_.link_names) {
      if (!scope.has_link(name)) retired_links_.insert(name);
    }
  }
  for (const std::string& name : scope.link_names)
    retired_links_.erase(name);
  scope_ = std::move(scope);
  if (!started_) return desired_.replace_unread({{std::nullopt, std::move(host)}});
  mark_pending(desired_.replace({{std::nullopt, std::move(host)}}));
}

void Reconciler::mark_pending(const std::vector<KernelChange>& changes) {
  for (const KernelChange& change : changes)
    pending_.mark(change, last_sync_);
}

void Reconciler::set_peers(Peers peers, TimePoint now) {
  change_peers(parts_of(std::move(peers)), now);
}

Result<void> Reconciler::set_peers_and_sync(Peers peers, TimePoint now) {
  if (started_) {
    mark_pending(desired_.replace(parts_of(std::move(peers))));
  } else {
    desired_.replace_unread(parts_of(std::move(peers)));
  }
  return sync(now);
}

void Reconciler::change_peers(DesiredState::Parts parts, TimePoint now) {
  if (!started_) return desired_.replace_unread(std::move(parts));
  const auto changes = desired_.replace(std::move(parts));
  // The result of a failed put is unknown, so the kernel is read before the removal.
  const bool unsure = std::any_of(changes.begin(), changes.end(), [this](const auto& change) {
    return change.op == Op::remove && pending_.find(key_of(change.object));
  });
  if (any_link(changes)) {
    for (const KernelChange& change : changes)
      pending_.mark(change, now);
  } else {
    carry_out(changes, now);
  }
  if (unsure) suspect(now);
}

Scope Reconciler::reading_scope() const {
  Scope scope = scope_;
  scope.link_names.insert(scope.link_names.end(), retired_links_.begin(), retired_links_.end());
  return scope;
}

// Another daemon on this host may have routes of our protocol into its own network.
NetState Reconciler::only_ours(NetState have, const Scope& scope) const {
  std::erase_if(have.routes, [&](const Route& route) {
    return !scope.contains(route.to) && !scope.has_link(route.link) &&
           !desired_.contains(key_of(route));
  });
  return have;
}

Result<void> Reconciler::reading_failed(Error error, TimePoint now) {
  sync_at_ = now + read_pauses_.next();
  error = std::move(error).during("read the kernel's state");
  read_error_ = error.text;
  return Failure(std::move(error));
}

Result<void> Reconciler::sync(TimePoint now) {
  last_sync_ = now;
  const Scope scope = reading_scope();
  auto have = kernel_.read(scope);
  if (!have) return reading_failed(std::move(have).error(), now);
  read_pauses_.reset();
  read_error_.clear();
  sync_at_ = now + kSlowSync;
  std::erase_if(retired_links_, [&have](const std::string& name) {
    return std::none_of(have->links.begin(), have->links.end(),
                        [&name](const Link& link) { return link.name == name; });
  });
  const NetState wanted = desired_.state();
  find_missing_links(*have, wanted);
  auto changes = diff(only_ours(*std::move(have), scope), wanted);
  auto unexpected = not_our_doing(changes);
  clear_done(changes);
  started_ = true;
  ++counters_.full_syncs;
  carry_out(changes, now);
  count_corrections(std::move(unexpected));
  return {};
}

// The differences that are not explained by our own pending changes: other programs made them.
std::vector<KernelChange> Reconciler::not_our_doing(
    const std::vector<KernelChange>& changes) const {
  const auto pending = [this](const KernelChange& change) {
    return pending_.find(key_of(change.object)) != nullptr;
  };
  // Our change of a device may have removed all objects on it.
  const bool our_device = std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
    return is_link(change) && pending(change);
  });
  if (!started_ || our_device) return {};
  std::vector<KernelChange> unexpected;
  std::copy_if(changes.begin(), changes.end(), std::back_inserter(unexpected),
               std::not_fn(pending));
  return unexpected;
}

void Reconciler::count_corrections(std::vector<KernelChange> unexpected) {
  std::erase_if(unexpected, [this](const KernelChange& change) {
    return pending_.find(key_of(change.object)) || is_on_missing_link(change.object);
  });
  counters_.corrections += unexpected.size();
  // An endpoint that has roamed is put back when it is stale, and nothing reports what others
  // change of WireGuard peers: no program can make us correct these quickly.
  const bool is_fight = !std::ranges::all_of(unexpected, [](const KernelChange& change) {
    return std::holds_alternative<Shared<WireguardPeer>>(change.object);
  });
  if (!is_fight) {
    corrective_syncs_ = 0;
    gaps_.reset();
  } else if (++corrective_syncs_ >= kPatience) {
    gaps_.next();
  }
  log_corrections(unexpected);
}

// A pending change that is no difference is done, except where a difference would not show.
void Reconciler::clear_done(std::vector<KernelChange>& changes) {
  if (pending_.all().empty()) return;
  std::set<ObjectKey> different;
  for (const KernelChange& change : changes)
    different.insert(key_of(change.object));
  std::vector<ObjectKey> in_place;
  for (const auto& [key, pending] : pending_.all()) {
    if (different.contains(key)) continue;
    if (is_hidden_from_diff(pending.change)) {
      changes.push_back(pending.change);
    } else {
      in_place.push_back(key);
    }
  }
  for (const ObjectKey& key : in_place)
    pending_.erase(key);
}

void Reconciler::find_missing_links(const NetState& have, const NetState& wanted) {
  missing_links_.clear();
  for (const Link& want : wanted.links) {
    const bool there = std::any_of(have.links.begin(), have.links.end(), [&](const Link& link) {
      return link.name == want.name && !needs_new_device(link, want);
    });
    if (!there) missing_links_.insert(want.name);
  }
}

bool Reconciler::is_on_missing_link(const KernelObject& object) const {
  return !std::holds_alternative<Shared<Link>>(object) &&
         missing_links_.contains(device_of(object));
}

void Reconciler::carry_out(const std::vector<KernelChange>& changes, TimePoint now) {
  const auto after_links = std::find_if_not(changes.begin(), changes.end(), [](const auto& change) {
    return is_link(change) && change.op != Op::remove;
  });
  apply({changes.begin(), after_links}, now);
  // A device of another kind may have the name, and nothing may be put on it.
  std::vector<KernelChange> possible;
  for (const KernelChange& change : std::span(after_links, changes.end())) {
    if (is_on_missing_link(change.object)) {
      pending_.erase(key_of(change.object));
    } else {
      possible.push_back(change);
    }
  }
  apply(possible, now);
}

void Reconciler::apply(const std::vector<KernelChange>& changes, TimePoint now) {
  if (changes.empty()) return;
  const auto results = kernel_.apply(changes);
  assert(results.size() == changes.size());
  LimitedLog limit("kernel changes failed");
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const KernelChange& change = changes[i];
    if (results[i]) {
      done(change);
      continue;
    }
    ++counters_.failures;
    const Error& error = results[i].error();
    if (!is_surplus(change)) {
      pending_.failed(change, error, now);
    } else if (limit.next()) {
      log::warning("a surplus route stays until the next comparison",
                   {{"what", in_words(change)}, {"why", error.text}});
    }
  }
}

void Reconciler::done(const KernelChange& change) {
  ++counters_.changes;
  log::verbose(4, "kernel change done", {{"what", in_words(change)}});
  if (is_link(change)) missing_links_.erase(device_of(change.object));
  const ObjectKey key = key_of(change.object);
  if (!is_surplus(change)) pending_.erase(key);
}

// The removal of a surplus route to a destination whose desired route stays does not complete a
// pending change of their common identity. The next sync checks that the surplus route is gone.
bool Reconciler::is_surplus(const KernelChange& change) const {
  return change.op == Op::remove && desired_.contains(key_of(change.object));
}

void Reconciler::suspect(TimePoint now) {
  if (!can_change()) return;
  sync_at_ = std::min(
      sync_at_, std::max(now + kSuspicion, last_sync_ + std::max(kShortestGap, gaps_.last())));
}

void Reconciler::tick(TimePoint now) {
  if (now < sync_at_) {
    if (can_change()) retry(now);
    return;
  }
  sync(now);  // read_error() says whether the kernel could be read
}

// The objects on a device depend on it, so a change of a device takes a full sync.
void Reconciler::retry(TimePoint now) {
  const auto due = pending_.due(now);
  if (any_link(due)) {
    sync_at_ = now;
    tick(now);
  } else {
    carry_out(due, now);
  }
}

TimePoint Reconciler::next_wakeup() const {
  if (!can_change()) return sync_at_;
  return std::min(sync_at_, pending_.next_due());
}

Result<Comparison> Reconciler::compare() const {
  const Scope scope = reading_scope();
  NetState have = TRY_DURING(kernel_.read(scope), "read the kernel's state");
  Comparison comparison = flannel::compare(only_ours(std::move(have), scope), desired_.state());
  for (Difference& one : comparison.differences) {
    const PendingChange* pending = pending_.find(key_of(one.object));
    if (pending && (pending->change.op != Op::remove) == one.missing) one.why = pending->reason;
  }
  return comparison;
}

std::map<std::string, std::string> Reconciler::unmet() const {
  auto unmet = desired_.conflicts(kMostNamed);
  std::size_t named = 0;
  for (const auto& [key, pending] : pending_.all()) {
    if (++named > kMostNamed) break;
    unmet[in_words(pending.change)] = pending.reason;
  }
  return unmet;
}

std::size_t Reconciler::more_unmet() const {
  const auto beyond = [](std::size_t all) { return all > kMostNamed ? all - kMostNamed : 0; };
  return beyond(desired_.contested()) + beyond(pending_.all().size());
}

bool Reconciler::host_in_place() const {
  const auto keys = desired_.keys_of(std::nullopt);
  return started_ && std::none_of(keys.begin(), keys.end(),
                                  [this](const ObjectKey& key) { return pending_.find(key); });
}

}  // namespace flannel
