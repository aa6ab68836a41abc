// SPDX-License-Identifier: Apache-2.0
#include "daemon/agent.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/problem_kinds.h"

namespace flannel {

Agent::Agent(AgentOptions options, Parts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      store_({std::shared_ptr<Registry>(), &parts_.registry}, parts_.loop),
      follower_(store_, parts_.loop, parts_.random,
                {.on_snapshot = [this](const Snapshot& snapshot) { on_snapshot(snapshot); },
                 .on_changes = [this](const std::vector<Change>& changes) { on_changes(changes); },
                 .on_connection =
                     [this] {
                       if (network_) network_->on_connection();
                       on_state();
                     },
                 .on_resumed =
                     [this] {
                       if (!network_) return;  // on_kept follows
                       store_.use_expected_history();
                       on_store_heard();
                       network_->on_resumed();
                     },
                 .on_kept = [this](const Snapshot& snapshot,
                                   bool is_proven) { return on_kept(snapshot, is_proven); }}),
      move_(move_parts()),
      config_({.loop = parts_.loop,
               .adopt = [this](const ParsedConfig& parsed) { return network_->adopt(parsed); },
               .on_state = [this] { on_state(); }}),
      saver_(saver_parts()) {}

void Agent::on_state() {
  keep_state();
  parts_.on_state();
}

void Agent::follow_drain(std::optional<DrainNote> note) {
  drained_ = std::move(note);
  drain_or_not();
  on_state();
}

void Agent::withdraw(bool leaves) {
  if (std::exchange(leaves_, leaves) == leaves) return;
  drain_or_not();
  on_state();
}

void Agent::drain_or_not() {
  const bool drains = drained_ || leaves_;
  if (std::exchange(has_drained_, drains) == drains) return;
  if (drains) {
    saver_.forget();
    move_.drain({});
    if (network_) network_->drain();
  } else if (network_) {
    network_->undrain();
  }
}

bool Agent::is_withdrawn() const {
  return !network_ || network_->keeper().phase() == LeasePhase::drained;
}

bool Agent::is_config_gone() const {
  const auto& problem = config_.problem();
  return problem && (problem->kind == &kConfigGone || problem->kind == &kConfigMissing) &&
         follower_.is_up_to_date();
}

void Agent::refresh() {
  follower_.list_again();
  if (!network_) return;
  network_->suspect_kernel();
  network_->check_underlay();
  network_->check_host();
  network_->replay_commands();
}

void Agent::end(std::function<void()> done) {
  if (Network* network = network_ ? network_.get() : opening_.get()) {
    return network->end_commands(std::move(done));
  }
  done();
}

void Agent::reconfigure(const AgentOptions& wanted) {
  options_.take_live(wanted);
  if (network_) network_->reconfigure(wanted);
  parts_.on_state();
}

void Agent::set_software_checksums(bool on) {
  options_.software_checksums = on;
  if (network_) network_->set_software_checksums(on);
  parts_.on_state();
}

void Agent::suspect_kernel() {
  if (network_) network_->suspect_kernel();
}

void Agent::rules_changed() {
  if (network_) network_->rules_changed();
}

void Agent::check_underlay() {
  if (network_) network_->check_underlay();
}

void Agent::suspect_host() {
  if (network_) network_->suspect_host();
}

std::vector<Problem> Agent::problems() const {
  std::vector<Problem> all;
  if (drained_) all.push_back(make_problem(kDrained, "", to_string(*drained_)));
  if (!follower_.connected()) {
    const std::string& why = follower_.last_error();
    all.push_back(why.empty()
                      ? make_problem(kStoreConnecting, store_.describe(), "not connected yet")
                      : make_problem(kStoreAway, store_.describe(), why));
  }
  if (!kept_since_.empty()) all.push_back(make_problem(kStoreNotHeard, "", kept_since_));
  if (!unused_why_.empty()) all.push_back(make_problem(kKeptStateUnused, "", unused_why_));
  if (auto problem = move_.problem()) all.push_back(*std::move(problem));
  if (config_.problem()) all.push_back(*config_.problem());
  if (network_) network_->append_problems(all);
  if (opening_) opening_->append_problems(all);
  std::ranges::move(parts_.other_problems(), std::back_inserter(all));
  return all;
}

void Agent::on_snapshot(const Snapshot& snapshot) {
  const bool has_lease = kept_ && has_kept_lease(snapshot);
  on_store_heard();
  if (network_) {
    move_.on_config(snapshot.config);
    config_.follow(snapshot.config);
    network_->on_snapshot(snapshot);
  } else {
    const bool is_left = !snapshot.config && has_lease && options_.leaves_deleted;
    begin(snapshot, is_left ? kept_->config : snapshot.config);
    if (is_left && network_) config_.follow(std::nullopt);
    // What is gone and cannot be begun is as if it had never been.
    if (is_left && !network_) (void)config_.first(std::nullopt, store_.config_key());
  }
  on_state();
}

void Agent::on_changes(const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    if (const auto* put = std::get_if<ConfigPut>(&change)) {
      // A network begins with a list.
      if (!network_) return follower_.list_again();
      move_.on_config(put->config);
      config_.follow(put->config);
    } else if (std::holds_alternative<ConfigGone>(change)) {
      if (!network_) return follower_.list_again();
      config_.follow(std::nullopt);
    }
  }
  if (!network_) return;
  network_->on_changes(changes);
  keep_state();
}

void Agent::begin(const Snapshot& snapshot, const std::optional<ConfigRecord>& config) {
  move_.on_config(config);
  const auto parsed = config_.first(config, store_.config_key());
  if (!parsed || !move_.decides(snapshot.records, options_.node.id)) return;
  auto is_prepared = open(*parsed);
  if (!is_prepared) return parts_.on_fatal(std::move(is_prepared).error());
  if (!*is_prepared) return;
  network_ = std::move(opening_);
  kept_.reset();
  move_.begin();
  network_->start(snapshot, has_drained_);
  if (has_drained_) move_.drain(network_->keeper().lease());
}

// Returns true if the network that is opened can have a lease. Otherwise the follower offers again
// what it has when it can.
Result<bool> Agent::open(const ParsedConfig& parsed) {
  if (opening_ && opening_->config() != parsed.config) opening_.reset();
  if (!opening_) opening_ = TRY(Network::open(options_, network_parts(), parsed));
  return opening_->is_prepared();
}

Network::Parts Agent::network_parts() {
  return {.loop = parts_.loop,
          .kernel = parts_.kernel,
          .host = parts_.host,
          .store = store_,
          .follower = follower_,
          .random = parts_.random,
          .rules = parts_.rules,
          .on_programmed = parts_.on_programmed,
          .on_prepared = [this] { follower_.offer_again(); },
          .on_ready = parts_.on_ready,
          .on_lease = [this](const Lease& lease) { move_.on_lease(lease); },
          .on_state = [this] { on_state(); }};
}

StoreMove::Parts Agent::move_parts() {
  return {.loop = parts_.loop,
          .store = store_,
          .random = parts_.random,
          .open = [this](const StoreAddress& address) { return parts_.host.open_store(address); },
          .make_keeper =
              [this](const Lease& lease, LeaseKeeper::Announce announce) {
                return network_->make_keeper_elsewhere(lease, std::move(announce));
              },
          .on_switched =
              [this](bool has_lease) {
                if (network_) network_->on_other_store(has_lease);
                follower_.list_again();
              },
          .on_state = [this] { on_state(); }};
}

}  // namespace flannel
